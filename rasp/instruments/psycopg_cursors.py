"""psycopg 3: statements given to its cursors, asynchronous and server-side ones too.

A statement is judged when it is given to ``execute``, before an asynchronous one is awaited. Not seen: rows written by
``COPY``; the parts of a template string; rows of an asynchronous look-up. psycopg 2 is seen through SQLAlchemy only.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import argument
from rasp.instruments.kit import Kit, obey
from rasp.instruments.sql_statements import Sent, SqlHooks, returned_rows
from rasp.instruments.sql_text import POSTGRES
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint, around, loaded, named_like

HOLDER = "psycopg"
_CLASSES = {
    "psycopg.cursor": ("Cursor", ("execute", "executemany", "stream")),
    "psycopg._server_cursor": ("ServerCursor", ("execute",)),
    "psycopg.cursor_async": ("AsyncCursor", ("execute", "executemany", "stream")),
    "psycopg._server_cursor_async": ("AsyncServerCursor", ("execute",)),
}
MODULES = tuple(_CLASSES)


class CursorHooks:
    """The wrappers of cursor methods."""

    def __init__(self, kit: Kit) -> None:
        hooks = kit.shared(SqlHooks)
        self._sent = hooks.hook(HOLDER, POSTGRES)
        self._found = kit.hook(f"{HOLDER}.rows", hooks.found)
        self._text = kit.hook(f"{HOLDER}.text", _text)

    def _judged(self, cursor: Any, name: str, args: Any, kwargs: Any) -> Sent | None:
        query = argument(args, kwargs, 0, "query")
        many = name == "executemany"
        if not isinstance(query, (str, bytes)):
            query = self._text(query, cursor)
        parameters = argument(args, kwargs, 1, "params_seq" if many else "params")
        known: Sent | None = self._sent(query, parameters, many)
        if known is not None:
            obey(known.verdict)
        return known

    def method(self, name: str) -> Make:
        """Of a cursor that waits for the server."""

        def make(original: Any) -> Any:
            def execute(self_: Any, *args: Any, **kwargs: Any) -> Any:
                known = self._judged(self_, name, args, kwargs)
                result = original(self_, *args, **kwargs)
                if known is not None and known.sought is not None and name == "execute" and returned_rows(self_):
                    self._found(known.sought)
                return result

            return named_like(original, execute)

        return make

    def coroutine(self, name: str) -> Make:
        """Of an asynchronous cursor; it stays a coroutine function to whoever asks."""

        def execute(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            self._judged(instance, name, args, kwargs)
            return wrapped(*args, **kwargs)

        return around(execute)


def _text(query: object, cursor: Any) -> str | None:
    """The text of a composed statement."""
    sql, psycopg = loaded("psycopg.sql"), loaded("psycopg")
    if sql is None or psycopg is None or not isinstance(query, sql.Composable):
        return None
    try:
        return str(query.as_string(cursor.connection))
    except psycopg.Error:
        return None  # it will be told to the app


def instrument(kit: Kit) -> Instrument:
    """The instrument of psycopg."""
    hooks = CursorHooks(kit)
    return Instrument(
        name=HOLDER,
        library="psycopg",
        supported=">=3.1,<4",
        points=tuple(
            PatchPoint(
                module,
                f"{name}.{method}",
                hooks.coroutine(method) if "async" in module else hooks.method(method),
                optional=module != "psycopg.cursor",
            )
            for module, (name, methods) in _CLASSES.items()
            for method in methods
        ),
        unreachable=(
            "rows written by COPY",
            "template strings, and rows that an asynchronous cursor returns",
            "psycopg 2 without SQLAlchemy: the type of its cursors is immutable",
        ),
    )
