"""sqlite3: statements of connections made by ``sqlite3.connect``, through SQLAlchemy's pool too.

``sqlite3.Connection`` and ``Cursor`` are immutable types. ``connect`` is given a subclass as its factory, where the app
gives none: of the same name, without attributes of its own, equal to its base, so that only
``type(connection) is sqlite3.Connection`` tells. Rows are seen where ``fetchone``, ``fetchmany`` or ``fetchall`` brings
them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from rasp.instruments.kit import Kit, obey
from rasp.instruments.lookalikes import Builtin, alike
from rasp.instruments.rebinding import rebind
from rasp.instruments.sql_statements import Sent, Sought, SqlHooks
from rasp.instruments.sql_text import SQLITE
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, loaded, named_like

HOLDER = "sqlite3"
_FACTORY = 5
"""Where ``connect`` takes a factory by its place."""


class Connections:
    """Makes the classes, and remembers which look-ups wait for their rows."""

    def __init__(self, kit: Kit) -> None:
        hooks = kit.shared(SqlHooks)
        self._sent = hooks.hook(HOLDER, SQLITE)
        self._found = kit.hook(f"{HOLDER}.rows", hooks.found)
        self._sought: weakref.WeakKeyDictionary[Any, Sought] = weakref.WeakKeyDictionary()
        self._classes: dict[Any, Any] = {}

    def connect(self, wrapped: Any, args: Any, kwargs: Any) -> Any:
        """``sqlite3.connect``."""
        if len(args) <= _FACTORY and "factory" not in kwargs:
            made = self.connection()
            if made is not None:
                return wrapped(*args, **{**kwargs, "factory": made})
        return wrapped(*args, **kwargs)

    def connection(self) -> Any:
        """The class of connections; made when the first one is opened."""
        sqlite3 = loaded("sqlite3.dbapi2")
        if sqlite3 is None:
            return None
        if sqlite3 not in self._classes:
            cursor = alike(sqlite3.Cursor, self._of_cursor(sqlite3.Cursor))
            self._classes[sqlite3] = alike(sqlite3.Connection, _of_connection(sqlite3.Connection, cursor))
        return self._classes[sqlite3]

    def _of_cursor(self, base: Any) -> dict[str, Any]:
        methods = {name: self._executing(getattr(base, name), many) for name, many in _EXECUTING.items()}
        return methods | {name: self._fetching(getattr(base, name)) for name in _FETCHING}

    def _executing(self, original: Any, many: bool) -> Any:
        sent, sought = self._sent, self._sought

        def execute(self: Any, *args: Any, **kwargs: Any) -> Any:
            known: Sent | None = sent(args[0], args[1] if len(args) > 1 else (), many) if args else None
            if known is not None:
                obey(known.verdict)
            if sought:
                sought.pop(self, None)
            result = original(self, *args, **kwargs)
            if known is not None and known.sought is not None:
                sought[self] = known.sought
            return result

        return named_like(original, execute)

    def _fetching(self, original: Any) -> Any:
        sought, found = self._sought, self._found

        def fetch(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            if sought:
                waiting = sought.pop(self, None)
                if waiting is not None and result:
                    found(waiting)
            return result

        return named_like(original, fetch)


def _of_connection(base: Any, cursor: Any) -> dict[str, Any]:
    """Its cursors are of our class, those that ``execute`` and the like make too, which C would make of its own."""
    original = base.cursor

    def cursor_(self: Any, *args: Any, **kwargs: Any) -> Any:
        return original(self, *args, **kwargs) if args or kwargs else original(self, cursor)

    def short(name: str) -> Any:
        plain, execute, expected = getattr(base, name), getattr(cursor, name), _ARGUMENTS[name]

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if kwargs or len(args) not in expected:
                return plain(self, *args, **kwargs)  # it says what is wrong
            return execute(original(self, cursor), *args)

        return named_like(plain, call)

    return {"cursor": named_like(original, cursor_)} | {name: short(name) for name in _EXECUTING}


_ARGUMENTS = {"execute": (1, 2), "executemany": (2,), "executescript": (1,)}
_EXECUTING = {"execute": False, "executemany": True, "executescript": False}
_FETCHING = ("fetchone", "fetchmany", "fetchall")


class Rebound:
    """Names that modules bound a function to before rasp was installed: ``from sqlite3 import connect``."""

    def __init__(self) -> None:
        self._pairs: list[tuple[object, object]] = []

    def make(self, make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Remembers what replaces what."""

        def remembering(original: Any) -> Any:
            replacement = next((ours for theirs, ours in self._pairs if original in (theirs, ours)), None)
            if replacement is None:
                replacement = make(original)
                self._pairs.append((original, replacement))
            return replacement

        return remembering

    def installed(self, module: ModuleType) -> None:
        """Binds them anew."""
        rebind(self._pairs, module)

    def removed(self) -> None:
        """And back, with those that were bound since."""
        rebind((replacement, original) for original, replacement in self._pairs)
        self._pairs.clear()


def instrument(kit: Kit) -> Instrument:
    """The instrument of sqlite3."""
    rebound = Rebound()
    make = rebound.make(partial(Builtin, call=Connections(kit).connect))
    return Instrument(
        name=HOLDER,
        library="python",
        supported=">=3.11",
        points=(PatchPoint("sqlite3.dbapi2", "connect", make), PatchPoint("sqlite3", "connect", make)),
        unreachable=(
            "connections and cursors of a factory of the app's own, such as Django's: their types are immutable",
            "connections made by sqlite3.Connection(...), which is an immutable type",
            "rows of executemany that are an iterator: it can be gone through only once",
        ),
        on_install=rebound.installed,
        on_uninstall=rebound.removed,
    )
