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
from rasp.ledger.g_book import HOLDER, NAMES_PER_G, Epoch
from rasp.ledger.scopes import PRESENTED, RequestMark
from rasp.model import Action
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like

_MISSING = object()
_store, _take, _new, _set_attribute = dict.__setitem__, dict.pop, tuple.__new__, object.__setattr__

_ACQUIRE, _RELEASE = Action.ACQUIRE, Action.RELEASE


class GDict(dict[str, Any]):
    """The attributes of one ``g``. ``epochs`` are the credentials it holds; ``origin`` is the request that made it.

    A subclass for each runtime holds its ``hooks``; there is no ``__init__``, since one is made for every request. With
    its first credential it becomes a ``Holding``, so that before nothing but a store is seen, and costs anything.
    """

    __slots__ = ("__weakref__", "epochs", "origin")
    hooks: ClassVar[GHooks]
    epochs: dict[str, Any]
    origin: RequestMark | None

    def __setitem__(self, name: str, value: Any) -> None:
        _store(self, name, value)
        kind = type(value)
        if (kind is dict or kind is int or value is None) and name not in self.epochs:
            return
        hooks = self.hooks
        if kind is str and value not in hooks.live and name not in self.epochs:
            return
        # By its type alone, which runs no code of the app's: a proxy's ``__class__`` and a class's hash may raise.
        if issubclass(kind, (str, bytes)) or name in self.epochs:
            verdict = hooks.stored(self, name, value, _getframe(1))
            if self.epochs and type(self) is not hooks.holding:
                self.__class__ = hooks.holding
            if verdict is not None:
                obey(verdict)
        elif hooks.carriers and any(kind is carrier for carrier in tuple(hooks.carriers)):
            hooks.placed(value, self)

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    def update(self, *args: Any, **kwargs: Any) -> None:
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def __reduce__(self) -> Any:
        return (dict, (dict(self),))


class Holding(GDict):
    """The attributes of a ``g`` that has held a credential: removals are seen too."""

    __slots__ = ()

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


class GHooks:
    """The hooks that every ``GDict`` calls."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._current = kit.ledger.scopes.current
        self._made = kit.ledger.desk.made
        self._innermost = kit.ledger.places.innermost
        self._path = kit.ledger.places.path
        self.holding: type[GDict] = Holding
        self.live = kit.ledger.values.exact
        self.stored = kit.guard.light("flask.g.set", self._stored)
        self.removed = kit.guard.light("flask.g.remove", self._removed)
        self.placed = kit.hook("flask.g.handle", kit.ledger.native.placed)
        self.carriers = kit.ledger.native.carriers

    def _stored(self, table: GDict, name: str, value: object, frame: Any) -> Any:
        scope = self._current.get()
        if type(value) is str and scope is not None and not (scope.recorded or scope.ended):
            live = self.live.get(value)
            own = scope.presented if scope.made & PRESENTED and len(table.epochs) < NAMES_PER_G else ()
            if live is not None and live in own:
                acquired = self._made(_ACQUIRE, HOLDER, name, self._innermost(frame), live, scope)
                table.epochs[name] = Epoch(live, acquired)  # the caller's own: there is nothing to judge
                return None
        text = as_text(value)
        if name not in table.epochs and (text is None or self._kit.ledger.values.get(text) is None):
            return None
        event = _new(GStored, (table.epochs, name, text, self._innermost(frame)))
        return self._kit.pipeline.handle(event)

    def _removed(self, table: GDict, name: str, existed: bool, raised: bool, frame: Any) -> Any:
        epoch = table.epochs[name]
        scope = self._current.get()
        if existed and epoch.released is None and scope is not None and not (scope.recorded or scope.ended):
            path = self._path(frame)
            epoch.released = self._made(_RELEASE, HOLDER, name, path, epoch.live, scope)
            return None
        error = AttributeError if frame.f_code.co_name == "__delattr__" else KeyError
        released = not existed and epoch.released is not None
        guarded = raised and released and expects(frame, self._kit.ledger.places, error)
        event = GRemoved(table.epochs, name, existed, raised, guarded, self._path(frame))
        return self._kit.pipeline.handle(event)


def instrument(kit: Kit) -> Instrument:
    """The instrument of ``flask.g``."""

    given = GHooks(kit)

    class Watched(GDict):
        __slots__ = ()
        hooks = given

    class WatchedHolding(Holding):
        __slots__ = ()
        hooks = given

    given.holding = WatchedHolding

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
            if len(args) == 1 and not kwargs:
                original(self, args[0])
            else:
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
