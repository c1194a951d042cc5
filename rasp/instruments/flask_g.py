"""``flask.g``: what is stored on it, deleted and popped.

The ``__dict__`` of each ``g`` becomes a dict that reports: Flask's own class keeps attributes there, so that attribute
access, ``pop``, ``setdefault``, ``vars(g)`` and direct edits are all seen, and reads cost nothing. Not seen: an
``app_ctx_globals_class`` with ``__slots__``, or one that stores elsewhere.
"""

from __future__ import annotations

from sys import _getframe
from typing import Any, ClassVar

from rasp.instruments.kit import Kit, as_text, caller, obey
from rasp.ledger.events import GRemoved, GStored
from rasp.ledger.expectation import expects
from rasp.ledger.scopes import RequestMark
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like

_MISSING = object()
_store, _take, _new, _set_attribute = dict.__setitem__, dict.pop, tuple.__new__, object.__setattr__


class GDict(dict[str, Any]):
    """The attributes of one ``g``. ``epochs`` are the credentials it holds; ``origin`` is the request that made it.

    A subclass for each runtime holds its ``hooks``; there is no ``__init__``, since one is made for every request.
    """

    __slots__ = ("__weakref__", "epochs", "origin")
    hooks: ClassVar[GHooks]
    epochs: dict[str, Any]
    origin: RequestMark | None

    def __setitem__(self, name: str, value: Any) -> None:
        _store(self, name, value)
        hooks = self.hooks
        kind = value.__class__
        if kind is str and value not in hooks.live and name not in self.epochs:
            return
        if kind is str or isinstance(value, (str, bytes)) or name in self.epochs:
            verdict = hooks.stored(self, name, value, _getframe(1))
            if verdict is not None:
                obey(verdict)
        elif kind in hooks.carriers:
            hooks.placed(value, self)

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    def update(self, *args: Any, **kwargs: Any) -> None:
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def __delitem__(self, name: str) -> None:
        existed = name in self
        if name in self.epochs:
            verdict = self.hooks.removed(self, name, existed, not existed, caller())
            if not existed:
                obey(verdict)
        super().__delitem__(name)

    def pop(self, name: str, default: Any = _MISSING) -> Any:
        if name in self.epochs:
            existed = name in self
            verdict = self.hooks.removed(self, name, existed, not existed and default is _MISSING, _getframe(1))
            if verdict is not None:
                obey(verdict)
        return _take(self, name) if default is _MISSING else _take(self, name, default)

    def popitem(self) -> tuple[str, Any]:
        name = next(reversed(self), None)
        if name is None:
            return super().popitem()
        return name, self.pop(name)

    def clear(self) -> None:
        super().clear()
        self.epochs.clear()

    def __reduce__(self) -> Any:
        return (dict, (dict(self),))


class GHooks:
    """The hooks that every ``GDict`` calls."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.live = kit.ledger.values.exact
        self.stored = kit.hook("flask.g.set", self._stored)
        self.removed = kit.hook("flask.g.remove", self._removed)
        self.placed = kit.hook("flask.g.handle", kit.ledger.native.placed)
        self.carriers = kit.ledger.native.carriers

    def _stored(self, table: GDict, name: str, value: object, frame: Any) -> Any:
        text = as_text(value)
        if name not in table.epochs and (text is None or self._kit.ledger.values.get(text) is None):
            return None
        event = _new(GStored, (table.epochs, name, text, self._kit.ledger.places.innermost(frame)))
        return self._kit.pipeline.handle(event)

    def _removed(self, table: GDict, name: str, existed: bool, raised: bool, frame: Any) -> Any:
        error = AttributeError if frame.f_code.co_name == "__delattr__" else KeyError
        released = not existed and getattr(table.epochs.get(name), "released", None) is not None
        guarded = raised and released and expects(frame, self._kit.ledger.places, error)
        event = GRemoved(table.epochs, name, existed, raised, guarded, self._kit.path(frame))
        return self._kit.pipeline.handle(event)


def instrument(kit: Kit) -> Instrument:
    """The instrument of ``flask.g``."""

    class Watched(GDict):
        __slots__ = ()
        hooks = GHooks(kit)

    current = kit.ledger.scopes.current

    def watch(context: Any) -> None:
        found = context.g
        attributes = getattr(found, "__dict__", None)
        if type(attributes) is dict:
            scope = current.get()
            watched = Watched(attributes)
            watched.epochs = {}
            watched.origin = None if scope is None or scope.ended else scope.mark
            _set_attribute(found, "__dict__", watched)  # g's own __setattr__ would make it an entry

    made = kit.guard.light("flask.g.create", watch)

    def init(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            made(self)

        return named_like(original, __init__)

    return Instrument(
        name="flask.g",
        library="flask",
        supported=">=2.2,<4",
        points=(PatchPoint("flask.ctx", "AppContext.__init__", init),),
        unreachable=("an app_ctx_globals_class with __slots__: it has no __dict__ to watch",),
    )
