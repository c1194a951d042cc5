"""PyMySQL: statements given to its cursors. An ``executemany`` is one event, though it may send many statements."""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import argument
from rasp.instruments.kit import Kit, obey
from rasp.instruments.sql_statements import Sent, SqlHooks, returned_rows
from rasp.instruments.sql_text import MYSQL
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint, named_like

HOLDER = "pymysql"


def instrument(kit: Kit) -> Instrument:
    """The instrument of PyMySQL."""
    hooks = kit.shared(SqlHooks)
    sent = hooks.hook(HOLDER, MYSQL)
    depth = hooks.depth
    found = kit.hook(f"{HOLDER}.rows", hooks.found)

    def method(many: bool) -> Make:
        def make(original: Any) -> Any:
            def execute(self: Any, *args: Any, **kwargs: Any) -> Any:
                known: Sent | None = sent(argument(args, kwargs, 0, "query"), argument(args, kwargs, 1, "args"), many)
                if known is not None:
                    obey(known.verdict)
                before = depth.get()
                if many:
                    depth.set(True)
                try:
                    result = original(self, *args, **kwargs)
                finally:
                    if many:
                        depth.set(before)
                if known is not None and known.sought is not None and returned_rows(self):
                    found(known.sought)
                return result

            return named_like(original, execute)

        return make

    def callproc(original: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            known: Sent | None = sent("CALL", argument(args, kwargs, 1, "args"), False)
            if known is not None:
                obey(known.verdict)
            return original(self, *args, **kwargs)

        return named_like(original, call)

    return Instrument(
        name=HOLDER,
        library="pymysql",
        supported=">=1.0,<2",
        points=(
            PatchPoint("pymysql.cursors", "Cursor.execute", method(False)),
            PatchPoint("pymysql.cursors", "Cursor.executemany", method(True)),
            PatchPoint("pymysql.cursors", "Cursor.callproc", callproc),
        ),
        unreachable=("statements given to Connection.query()",),
    )
