"""One native function in its role, whatever library family made it: what happens around its call.

The only place from which cffi and extension modules speak to the ledger's book of native handles. A family says which
of the arguments can be handles (``Handles``); this says what becomes of the call.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any, NamedTuple, Protocol

from rasp.declarations import NativeDeclaration
from rasp.instruments.kit import Kit
from rasp.ledger.events import NativeAcquired, NativeReleasing, NativeUsed
from rasp.ledger.facts import Fact, SecondRelease
from rasp.ledger.native_handles import Call, Handle, Release
from rasp.model import Mode, Verdict

RULE = "double-release"


class Role(NamedTuple):
    """What a declared function does to handles: ``name`` is acquire, retain, use or release."""

    library: str
    function: str
    name: str
    thread_safe: bool | None = None


class Given(NamedTuple):
    """A value that may be a handle. ``loose``: only where nothing better is given."""

    address: int
    epoch: Handle | None
    value: object
    loose: bool = False


class Handles(Protocol):
    """What a family of libraries uses as handles."""

    def given(self, arguments: Iterable[object]) -> Iterable[Given]:
        """Which arguments may be handles, in order; worked out one by one, for it may look into memory."""

    def made(self, arguments: Sequence[object], result: object) -> Given | None:
        """What an acquire gave out, as its result or through an argument; ``None`` for nothing, or a null pointer."""

    def bound(self, given: Given, handle: Handle) -> Any:
        """Remembers which epoch an acquired value stands for; returns what the app gets in its place, or ``None``."""

    def released(self, given: Given) -> None:
        """A handle was released."""


class Releasing(NamedTuple):
    """A release that is about to be made. ``skip``: it must not be passed on, its result is that of ``first``."""

    verdict: Verdict | None
    entered: Release | None
    first: Handle | None
    skip: bool
    given: Given | None = None


Wrapper = Callable[..., Any]


class NativeCalls:
    """Makes the wrappers of declared functions.

    Attributes:
        problems: what is wrong with declarations, for ``rasp doctor``.
        latest: the same, also what was known before.
        libraries: names of the declared libraries that were found.
        originals: each wrapped function, by its id, with its role and family: what an alias still calls.
        quiet: for each wrapper of a release, the one that may not raise: for destructors.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.native = kit.ledger.native
        self.problems: list[str] = []
        self.latest: list[str] = []
        self.libraries: set[str] = set()
        self.originals: dict[int, tuple[object, Role, Handles]] = {}
        self.quiet: dict[Wrapper, Wrapper] = {}
        self._acquired = kit.hook("native.acquire", self.acquire)
        self._retained = kit.hook("native.retain", self.retain)
        self._used = kit.hook("native.use", self.use)
        self._left = kit.hook("native.leave", self.leave)
        self._releasing = kit.hook("native.release", self.release)
        self._deferred = kit.hook("native.release_aside", self.release_aside)
        self._released = kit.hook("native.released", self.finish)
        self._outcome = kit.hook("native.outcome", self.native.outcome)
        self._rolled_back = kit.hook("native.roll_back", self.native.roll_back)

    def problem(self, text: str) -> None:
        """Something is wrong with a declaration; kept once."""
        self.latest.append(text)
        del self.latest[:-100]
        if text not in self.problems:
            self.problems.append(text)

    def roles(self, declaration: NativeDeclaration) -> list[Role]:
        """The roles that a declaration gives."""
        return [
            Role(declaration.library, function, name, declaration.thread_safe)
            for function, name in declaration.roles.items()
        ]

    def wrapper(self, original: Any, role: Role, handles: Handles) -> Wrapper:
        """A function that does what the original does, seen by the ledger."""
        if role.name == "release":
            made = self._release_wrapper(original, role, handles, raisable=True)
            self.quiet[made] = self._release_wrapper(original, role, handles, raisable=False)
        elif role.name == "use":
            made = self._use_wrapper(original, role, handles)
        else:
            seen = self._acquired if role.name == "acquire" else self._retained
            made = self._acquire_wrapper(original, role, handles, seen)
        self.originals[id(original)] = (original, role, handles)
        for name in ("__name__", "__qualname__", "__doc__", "__module__"):
            value = getattr(original, name, None)
            if isinstance(value, str):
                setattr(made, name, value)
        made.__wrapped__ = original  # type: ignore[attr-defined]
        return made

    def forget(self) -> None:
        """Lets go of everything, once the wrappers are gone."""
        self.originals.clear()
        self.quiet.clear()
        self.libraries.clear()
        self.problems.clear()

    # The wrappers: closures, for a use is hot

    def _acquire_wrapper(self, original: Any, role: Role, handles: Handles, seen: Wrapper) -> Wrapper:
        def acquire(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            handle = seen(role, handles, (*args, *kwargs.values()), result)
            return result if handle is None else handle

        return acquire

    def _use_wrapper(self, original: Any, role: Role, handles: Handles) -> Wrapper:
        used, left = self._used, self._left

        def use(*args: Any, **kwargs: Any) -> Any:
            entered = used(role, handles, (*args, *kwargs.values()) if kwargs else args)
            if entered is None:
                return original(*args, **kwargs)
            verdict, calls = entered
            try:
                if verdict is not None and verdict.exception is not None:
                    raise verdict.exception
                return original(*args, **kwargs)
            finally:
                left(calls)

        return use

    def _release_wrapper(self, original: Any, role: Role, handles: Handles, *, raisable: bool) -> Wrapper:
        def release(*args: Any, **kwargs: Any) -> Any:
            begun = self._begin(role, handles, (*args, *kwargs.values()) if kwargs else args, raisable)
            if begun is None:
                return original(*args, **kwargs)
            verdict, entered, first, skip, given = begun
            if verdict is not None and verdict.exception is not None:
                if entered is not None:
                    self._rolled_back(entered)
                raise verdict.exception
            if skip:
                return self._outcome(first)
            try:
                result = original(*args, **kwargs)
            except BaseException:
                if entered is not None:
                    self._rolled_back(entered)
                raise
            if entered is not None:
                self._released(entered, result, handles, given)
            return result

        return release

    def _begin(self, role: Role, handles: Handles, args: Sequence[object], raisable: bool) -> Releasing | None:
        """Enters a release; a finaliser that runs in the midst of rasp's own work is entered too, and judged later."""
        busy = self._kit.guard.busy
        if not busy.now:
            return self._releasing(role, handles, args, raisable)  # type: ignore[no-any-return]
        busy.now = False
        try:
            return self._deferred(role, handles, args)  # type: ignore[no-any-return]
        finally:
            busy.now = True

    # The hooks: inside the guard

    def acquire(self, role: Role, handles: Handles, args: Sequence[object], result: object) -> Any:
        """An acquire returned; what it gave out opens an epoch."""
        given = handles.made(args, result)
        if given is None:
            return None
        path = self._kit.here(_app_frame())
        event = NativeAcquired(role.library, role.function, given.address, args, path, role.thread_safe)
        return handles.bound(given, self.native.acquired(event))

    def retain(self, role: Role, handles: Handles, args: Sequence[object], result: object) -> Any:
        """A retain returned: the handle it was given, or else gave out, has one more owner."""
        given = self.chosen(role, handles, args) or handles.made(args, result)
        if given is None:
            return None
        path = self._kit.here(_app_frame())
        event = NativeUsed(role.library, role.function, given.address, given.epoch, path)
        handle = self.native.retained(event)
        made = handles.made((), result)
        if handle is None or made is None or made.address != handle.address:
            return None
        return handles.bound(made, handle)

    def use(self, role: Role, handles: Handles, args: Sequence[object]) -> tuple[Verdict | None, list[Call]] | None:
        """A use begins: each handle that it is given is judged, and in a call from now on."""
        facts: list[Fact] = []
        calls: list[Call] = []
        path = None
        if any(type(argument) is bytearray or hasattr(type(argument), "_length_") for argument in args):
            facts += self.native.buffers.given(args, role.library, role.function, self._kit.here, _app_frame())
        for given in handles.given(args):
            epoch = given.epoch
            if not given.address or (epoch is None and self.native.find(role.library, given.address) is None):
                continue
            path = self._kit.here(_app_frame()) if path is None else path
            library = role.library if epoch is None else epoch.library
            found, call = self.native.enter(NativeUsed(library, role.function, given.address, epoch, path))
            facts += found
            if call is not None:
                calls.append(call)
        if not calls and not facts:
            return None
        return (self._kit.pipeline.respond(facts) if facts else None), calls

    def leave(self, calls: Sequence[Call]) -> None:
        """A use is over."""
        for call in calls:
            self.native.leave(call)

    def release(self, role: Role, handles: Handles, args: Sequence[object], raisable: bool) -> Releasing | None:
        """A release begins."""
        entered = self._enter(role, handles, args, raisable)
        if entered is None:
            return None
        facts, release, given = entered
        verdict = self._kit.pipeline.respond(facts) if facts else None
        return self._decided(facts, release, given, verdict)

    def release_aside(self, role: Role, handles: Handles, args: Sequence[object]) -> Releasing | None:
        """A release begins where nothing can be reported now."""
        entered = self._enter(role, handles, args, raisable=False)
        if entered is None:
            return None
        facts, release, given = entered
        if facts:
            self.native.defer(facts)
        return self._decided(facts, release, given, None)

    def _enter(
        self, role: Role, handles: Handles, args: Sequence[object], raisable: bool
    ) -> tuple[Sequence[Fact], Release | None, Given] | None:
        given = self.chosen(role, handles, args)
        if given is None:
            self.problem(f"{role.library}: {role.function} was called without a handle, so it can be no release")
            return None
        path = self._kit.path(_app_frame())
        event = NativeReleasing(
            role.library, role.function, given.address, given.epoch, declared=True, path=path, raisable=raisable
        )
        facts, release = self.native.releasing(event)
        return facts, release, given

    def _decided(
        self, facts: Sequence[Fact], release: Release | None, given: Given, verdict: Verdict | None
    ) -> Releasing:
        second = next((fact for fact in facts if isinstance(fact, SecondRelease)), None)
        skip = second is not None and self.blocks()
        first = None
        if second is not None:
            first = self.native.find(self._library_of(given, second), given.address, given.epoch)
        return Releasing(verdict, release, first, skip and first is not None, given)

    def _library_of(self, given: Given, second: SecondRelease) -> str:
        if given.epoch is not None:
            return given.epoch.library
        return second.trail[-1].holder.removeprefix("native.")

    def blocks(self) -> bool:
        """Whether a second native release is withheld: always, unless ``observe`` was told not to."""
        config = self._kit.config
        mode = config.mode_of(RULE)
        return config.block_native_double_release or mode not in (Mode.OBSERVE, Mode.OFF)

    def finish(self, release: Release, result: object, handles: Handles, given: Given) -> None:
        """A release has returned."""
        if release.ended:
            handles.released(given)
        self.native.released(release, result)

    def chosen(self, role: Role, handles: Handles, args: Sequence[object]) -> Given | None:
        """The argument that is the handle: the first that is known as one, else the likeliest."""
        likeliest: Given | None = None
        for given in handles.given(args):
            epoch = given.epoch
            if epoch is not None and epoch.library != role.library:
                continue
            if given.address and self.native.find(role.library, given.address, epoch) is not None:
                return given
            if likeliest is None or (likeliest.loose and not given.loose):
                likeliest = given
        return likeliest


def _app_frame() -> FrameType:
    """A frame inside rasp, from which a walk begins: it skips what is no app code."""
    return sys._getframe(1)
