"""What the instruments of stores share: a name that shows no credential costs one look-up, and nothing else.

Only where a name belongs to a live credential is the stack walked and an event made. Names are ``str`` and ``bytes``,
or tuples that hold some, as memoizing decorators make them.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from rasp.instruments.caches import cache_depth
from rasp.instruments.kit import Kit, as_text, obey
from rasp.ledger.cache_book import SESSION_LIBRARIES
from rasp.ledger.events import CacheCleared, CacheRead, CacheRemoved, CacheStored, Holder
from rasp.ledger.expectation import expects
from rasp.ledger.places import CallPath, Places
from rasp.ledger.slots import SlotMatch
from rasp.model import Verdict
from rasp.patching.patches import Make, named_like

SHORTEST = 8
"""Characters of the shortest credential that is followed: a shorter name shows none."""
PARTS = 16
"""Elements of a tuple that are looked at."""
_FRAMES = 40
QUEUES = frozenset({"rq", "celery", "kombu", "huey", "dramatiq"})
_SIMPLE = (int, float, bool, type(None))

After = Callable[[Any, Any, Any, Any], Any]
"""A hook: the store, the call's positional and keyword arguments, and its result."""


class Stores:
    """Turns calls of one library into events. ``holder`` tells the back end of a store; asked only where it matters."""

    def __init__(self, kit: Kit, holder: Callable[[Any], Holder]) -> None:
        self._kit = kit
        self._holder = holder
        self._book = kit.ledger.cache
        self._scope = kit.ledger.scopes.here
        self.depth = kit.shared(cache_depth)

    def shows(self, name: object, *, hit: bool = False) -> str | None:
        """The name as text, if a credential shows in it, or might once a look-up under it hit."""
        text = self._text(name, hit)
        if text is None:
            return None
        scope = self._scope()
        if self._book.match(text, scope) is not None:
            return text
        return text if hit and scope is not None and scope.has("candidates") else None

    def _text(self, name: object, hit: bool) -> str | None:
        """A name as text, if it is long enough to show a credential."""
        if type(name) is str:
            text: str | None = name
        else:
            text = self._of_tuple(name, hit) if isinstance(name, tuple) else as_text(name)
        return None if text is None or len(text) < SHORTEST else text

    def _match(self, name: object, hit: bool) -> tuple[str, SlotMatch] | None:
        """A name as text, with the credential that shows in it."""
        text = self._text(name, hit)
        match = None if text is None else self._book.match(text, self._scope(), hit=hit)
        return None if text is None or match is None else (text, match)

    def _of_tuple(self, name: tuple[Any, ...], hit: bool) -> str | None:
        """A tuple's elements in one text, if one of them shows a credential."""
        parts = name[:PARTS]
        if not any(isinstance(part, (str, bytes)) and self.shows(part, hit=hit) for part in parts):
            return None
        texts = (as_text(part) if not isinstance(part, _SIMPLE) else repr(part) for part in parts)
        return " ".join(text for text in texts if text is not None)

    def where(self, frame: FrameType) -> CallPath:
        """Where an entry is stored: the innermost app frame."""
        return self._kit.here(frame)

    def stored(self, store: Any, *names: object) -> Verdict | None:
        """Entries were stored; the first verdict that raises counts."""
        verdict: Verdict | None = None
        for name in names:
            found = self._match(name, False)
            if found is not None:
                text, match = found
                frame, places = sys._getframe(1), self._kit.ledger.places
                event = CacheStored(self._holder(store), text, self.where(frame), session_frame(frame, places), match)
                verdict = verdict or self._kit.pipeline.handle(event)
        return verdict

    def read(self, store: Any, looked: Iterable[tuple[object, bool]]) -> Verdict | None:
        """Entries were looked up, each with whether it was there."""
        verdict: Verdict | None = None
        for name, hit in looked:
            found = self._match(name, hit)
            if found is not None:
                text, match = found
                event = CacheRead(self._holder(store), text, hit, self._kit.here(sys._getframe(1)), match)
                verdict = verdict or self._kit.pipeline.handle(event)
        return verdict

    def removed(
        self, store: Any, outcome: Iterable[tuple[object, bool | None]], error: type[Exception] | None = None
    ) -> Verdict | None:
        """Entries were deleted, each with whether there was one, if the library says so; ``error``: it raised that."""
        verdict: Verdict | None = None
        for name, removed in outcome:
            found = self._match(name, bool(removed))
            if found is not None:
                text, match = found
                frame = sys._getframe(1)
                guarded = error is not None and expects(frame, self._kit.ledger.places, error)
                path = self._kit.path(frame)
                holder = self._holder(store)
                event = CacheRemoved(holder, text, removed, error is not None, guarded, path, match)
                verdict = verdict or self._kit.pipeline.handle(event)
        return verdict

    def cleared(self, store: Any) -> None:
        """A whole store was emptied."""
        self._kit.pipeline.handle(CacheCleared(self._holder(store)))

    def wrap(self, after: After | None, raising: type[Exception] | None = None, failed: After | None = None) -> Make:
        """The wrapper of a method: the hook ``after`` at depth 1; ``failed`` where it raised for lack of the entry."""
        inside, enter, leave = self.depth.inside, self.depth.enter, self.depth.leave

        def make(original: Any) -> Any:
            def method(store: Any, *args: Any, **kwargs: Any) -> Any:
                if inside():
                    return original(store, *args, **kwargs)
                token = enter(True)
                try:
                    result = original(store, *args, **kwargs)
                except BaseException as error:
                    leave(token)
                    if failed is not None and raising is not None and isinstance(error, raising):
                        obey(failed(store, args, kwargs, None))
                    raise
                leave(token)
                if after is not None:
                    obey(after(store, args, kwargs, result))
                return result

            return named_like(original, method)

        return make


class Numbers:
    """Numbers for objects that are back ends by themselves, hashable or not; none is given twice, unlike ``id()``."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], int]] = {}
        self._last = 0

    def of(self, target: Any) -> int:
        """The number of an object."""
        key = id(target)
        known = self._known.get(key)
        if known is not None and known[0]() is target:
            return known[1]
        self._last += 1
        try:
            self._known[key] = (weakref.ref(target, lambda _: self._known.pop(key, None)), self._last)
        except TypeError:
            return key  # no weak references
        return self._last


def address(host: object, port: object) -> tuple[str, str, str]:
    """What tells a server from another one, by whichever client it is reached."""
    name = as_text(host) or "localhost"
    return ("server", "127.0.0.1" if name in ("localhost", "::1") else name, str(port))


def session_frame(frame: FrameType | None, places: Places) -> FrameType | None:
    """The frame of a session library that makes this call, if one does."""
    return _frame_of(frame, SESSION_LIBRARIES, places)


def _frame_of(frame: FrameType | None, packages: frozenset[str], places: Places) -> FrameType | None:
    """The frame of one of these packages between here and the innermost app frame.

    What stands outside of that may be a middleware or a worker that runs the app. Of Django only its sessions count.
    """
    for _ in range(_FRAMES):
        if frame is None or places.is_app(frame.f_code.co_filename) or places.is_wall(frame.f_code):
            return None
        module = str(frame.f_globals.get("__name__", ""))
        package = module.partition(".")[0]
        if package in packages and (package != "django" or module.startswith("django.contrib.sessions")):
            return frame
        frame = frame.f_back
    return None


def keeps_its_own(frame: FrameType | None, places: Places) -> bool:
    """Whether a session library or a task queue makes this call, whose store of values is its own affair."""
    return _frame_of(frame, SESSION_LIBRARIES | QUEUES, places) is not None
