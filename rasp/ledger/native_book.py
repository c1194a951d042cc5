"""The epochs of native handles, for the whole process.

What an instrument of a native library (ctypes, cffi, C extensions) does, in this order:

- an acquire: ``acquired`` after the call; give the app ``NativeHandle.of(...)`` or tag its pointer object (``TAG``)
  with the handle that comes back, so that a stale copy is told from the next owner of the address;
- a retain: ``retained`` after the call;
- a use: ``enter`` before the call, ``leave`` after it, whatever happened (``used`` where there is no after);
- a release: ``releasing`` before the call, since other threads run during it; then ``released`` with its result, or
  ``roll_back`` if the native function was never reached. A second release is not passed on where the verdict says
  ``skip``; its result is ``outcome``.

Every method is thread-safe, and re-entrant: a collection inside one may run a finaliser that releases. Where rasp is at
work on that thread already, facts are kept with ``defer`` and judged when that is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from rasp.ledger.desk import Desk
from rasp.ledger.events import NativeAcquired, NativeReleasing, NativeUsed
from rasp.ledger.facts import Evidence, Fact, ReleasedUnacquired, SecondRelease, UsedAfterRelease
from rasp.ledger.key_buffers import BufferBook, text_of
from rasp.ledger.native_handles import Call, Handle, HandleTable, NativeHandle, Release, epoch_of
from rasp.ledger.native_leaks import Leaks
from rasp.ledger.native_overlap import overlapping_release, overlapping_use
from rasp.ledger.scopes import Occurrence, RequestScope, identity
from rasp.ledger.value import LiveValue
from rasp.model import Action

PATIENCE = 1.0
"""Seconds that a second release waits for the result of the first, which is in its call on another thread."""
DEFERRED_BOUND = 1_000


class NativeBook:
    """Judges native handles.

    Attributes:
        leaks: which handles were kept on a request's ``g``, and what is never released.
        buffers: mutable buffers that held a credential when a native call was given them.
        queue: facts that could not be judged where they were found.
        carriers: the types of objects that carry an epoch.
        followed: tells the epoch of an object that can carry nothing itself.
        on_fork: called in a forked child.
    """

    def __init__(self, desk: Desk, remembered: int = 1_000) -> None:
        self._desk = desk
        self._lock = threading.RLock()
        self._table = HandleTable(remembered)
        self.queue: list[Fact] = []
        self.leaks = Leaks()
        self.buffers = BufferBook(desk)
        self.carriers: set[type] = {NativeHandle}
        self.followed: Callable[[object], Handle | None] = lambda value: None
        self.on_fork: list[Callable[[], None]] = []

    @property
    def dropped(self) -> int:
        """Open handles given up because there were too many."""
        return self._table.dropped

    def find(self, library: str, address: int, epoch: Handle | None = None) -> Handle | None:
        """The epoch a handle stands for: the one that it carries, else the last known one of its address."""
        if epoch is not None and epoch.address == address:
            return epoch
        return self._table.get(library, address)

    def acquired(self, event: NativeAcquired) -> Handle:
        """Opens an epoch, or adds a reference to a live address."""
        scope = self._desk.scopes.here()
        live = self.credential_of(event.arguments)
        occurrence = self._occur(Action.ACQUIRE, event, live, scope)
        with self._lock:
            known = self._table.get(event.library, event.handle)
            if known is not None and known.released is None and event.counted:
                known.references += 1
                return known
            self._table.generation += 1
            generation = self._table.generation
            handle = Handle(event.library, event.handle, generation, live, occurrence, event.thread_safe)
            self._table.open(handle)
            if scope is not None and event.counted:
                self.leaks.acquired(handle, scope.mark)
            return handle

    def retained(self, event: NativeUsed) -> Handle | None:
        """Adds a reference to an open handle; one that is unknown or released stays so (``None``)."""
        handle = self.find(event.library, event.handle, event.epoch)
        with self._lock:
            if handle is None or handle.released is not None:
                return None
            handle.references += 1
        self._occur(Action.ACQUIRE, event, handle.live, self._desk.scopes.here())
        return handle

    def used(self, event: NativeUsed) -> Sequence[Fact]:
        """Judges a use that is over as soon as it begins: of a released handle, or beside another request's call."""
        facts, call = self.enter(event)
        if call is not None:
            self.leave(call)
        return facts

    def enter(self, event: NativeUsed) -> tuple[Sequence[Fact], Call | None]:
        """Judges a use and enters its call, which ``leave`` ends; no call for a handle that is not known."""
        handle = self.find(event.library, event.handle, event.epoch)
        if handle is None:
            return (), None
        scope = self._desk.scopes.here()
        occurrence = self._occur(Action.USE, event, handle.live, scope)
        call = Call(handle, None if scope is None else scope.mark, identity(), occurrence)
        with self._lock:
            released = handle.released
            others = tuple(handle.calls)
            handle.calls.append(call)
        if released is not None:
            return (self._after_release(handle, released, occurrence, scope, event.raisable),), call
        return overlapping_use(handle, call, others, scope, event.raisable) if others else (), call

    def leave(self, call: Call) -> None:
        """The call that ``enter`` entered is over."""
        with self._lock:
            calls = call.handle.calls
            if calls and calls[-1] is call:
                calls.pop()
            else:
                calls[:] = [other for other in calls if other is not call]

    def _after_release(
        self, handle: Handle, released: Occurrence, used: Occurrence, scope: RequestScope | None, raisable: bool
    ) -> Fact:
        return UsedAfterRelease(
            live=handle.live,
            trail=(handle.acquired, released, used),
            scope=scope,
            native=True,
            raisable=raisable,
            during=not handle.finished,
        )

    def releasing(self, event: NativeReleasing) -> tuple[Sequence[Fact], Release | None]:
        """Enters a release before its call. The release that comes back is for ``released`` or ``roll_back``.

        A second release comes back without one: it has nothing to enter.
        """
        scope = self._desk.scopes.here()
        handle = self.find(event.library, event.handle, event.epoch)
        again = self._occur(Action.RELEASE, event, None if handle is None else handle.live, scope)
        if handle is None:
            return self._unknown(event, again, scope), None
        with self._lock:
            first = handle.released
            if first is None:
                return self._first(handle, again, scope, event.raisable)
        fact = SecondRelease(
            live=handle.live,
            trail=(handle.acquired, first, again),
            scope=scope,
            evidence=Evidence.CERTAIN,
            native=True,
            skippable=True,
            raisable=event.raisable,
        )
        return (fact,), None

    def _first(
        self, handle: Handle, again: Occurrence, scope: RequestScope | None, raisable: bool
    ) -> tuple[Sequence[Fact], Release]:
        handle.references -= 1
        if handle.references > 0:
            return (), Release(handle, ended=False)
        handle.released = again
        handle.releaser = identity()
        handle.finished = False
        handle.attended = handle.attended or not raisable
        self._table.release(handle)
        others = tuple(handle.calls)
        facts = overlapping_release(handle, again, others, scope, raisable) if others else ()
        return facts, Release(handle, ended=True)

    def _unknown(self, event: NativeReleasing, again: Occurrence, scope: RequestScope | None) -> Sequence[Fact]:
        if event.handle == 0:
            return ()
        return (
            ReleasedUnacquired(
                live=None,
                trail=(again,),
                scope=scope,
                native=True,
                declared=event.declared,
                raisable=event.raisable,
            ),
        )

    def released(self, release: Release, result: object) -> None:
        """The native release has returned: a second one is answered with the same result."""
        if not release.ended:
            return
        handle = release.handle
        with self._lock:
            handle.result = result
            handle.finished = True
            waited = handle.waited
        if waited is not None:
            waited.set()

    def roll_back(self, release: Release) -> None:
        """The release was not made: its call failed before the native function ran, or was stopped."""
        handle = release.handle
        with self._lock:
            handle.references += 1
            if release.ended:
                handle.released = None
                self._table.reopen(handle)
                if handle.waited is not None:
                    handle.waited.set()

    def ended(self, handle: Handle) -> None:
        """The object that was the handle is no more, and the handle with it: no release, and none is missing."""
        with self._lock:
            if handle.released is None:
                self._table.forget(handle)

    def outcome(self, handle: Handle, *, wait: bool = True) -> object:
        """What the first release of a handle returned; waits a moment for one that another thread is making."""
        with self._lock:
            if handle.finished or not wait or handle.releaser == identity():
                return handle.result
            if handle.waited is None:
                handle.waited = threading.Event()
            waited = handle.waited
        waited.wait(PATIENCE)
        return handle.result

    def unknown_again(self, library: str, address: int) -> None:
        """An address was handed out unseen: what is known of its released epoch is no longer about it."""
        with self._lock:
            handle = self._table.get(library, address)
            if handle is not None and handle.released is not None:
                self._table.forget(handle)

    def defer(self, facts: Sequence[Fact]) -> None:
        """Keeps facts that cannot be judged here, since rasp is at work on this thread; they can raise no more."""
        for fact in facts:
            fact.raisable = False
        with self._lock:
            self.queue += facts
            del self.queue[:-DEFERRED_BOUND]

    def deferred(self) -> Sequence[Fact]:
        """Takes the facts that wait to be judged."""
        if not self.queue:
            return ()
        with self._lock:
            waiting = tuple(self.queue)
            self.queue.clear()  # the list itself stays: the ledger asks it at the end of every request
        return waiting

    def placed(self, value: object, table: object) -> None:
        """A handle was stored on ``flask.g``; ``table`` is the dict of that ``g``."""
        handle = epoch_of(value) or self.followed(value)
        scope = self._desk.scopes.here()
        if handle is not None and scope is not None and handle.acquired.request is scope.mark:
            self.leaks.placed(handle, value, table, scope.mark)

    def of_request(self, scope: RequestScope) -> Sequence[Handle]:
        """What a request that ends acquired, and somebody has to release; asked once."""
        opened = self.leaks.opened.pop(scope.mark, ())
        return [handle for handle in opened if not handle.attended and self._followed(handle)]

    def _followed(self, handle: Handle) -> bool:
        """Whether it is released, or certainly open: an open one that the table forgot ended with its object."""
        return handle.released is not None or self._table.get(handle.library, handle.address) is handle

    def ending(self, scope: RequestScope) -> Sequence[Fact]:
        """What is judged when a request ends."""
        self.buffers.ended(scope)
        return (*self.deferred(), *self.leaks.left(scope))

    def exiting(self) -> Sequence[Fact]:
        """What is judged when the process ends: the handles that are still open."""
        with self._lock:
            return (*self.deferred(), *self.leaks.at_exit(self._table.opened()))

    def credential_of(self, arguments: Sequence[object]) -> LiveValue | None:
        """The credential that a native call was given, if any."""
        for argument in arguments:
            text = text_of(argument)
            live = self._desk.values.get(text) if text else None
            if live is not None:
                return live
        return None

    def _occur(
        self,
        action: Action,
        event: NativeAcquired | NativeUsed | NativeReleasing,
        live: LiveValue | None,
        scope: RequestScope | None,
    ) -> Occurrence:
        slot = f"{event.function}({event.handle:#x})"
        return self._desk.occur(action, f"native.{event.library}", slot, event.path, live, scope, event.function)

    def after_fork(self) -> None:
        """In the child: no lock is held, no other thread is in a call, and what the parent opened is the parent's."""
        self._lock = threading.RLock()
        self.leaks.since = self._table.generation
        for handle in self._table.opened():
            handle.calls.clear()
        self.buffers.after_fork()
        for renew in self.on_fork:
            renew()


__all__ = ["Call", "Handle", "NativeBook", "NativeHandle", "Release", "epoch_of"]
