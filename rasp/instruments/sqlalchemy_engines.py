"""SQLAlchemy: every statement that it gives to a driver, told once: the driver's own instrument is quiet meanwhile.

``do_execute`` and its like are where all dialects meet, asynchronous ones too. Rows are seen by the driver's
instrument. Not seen: dialects of other packages that bring a ``do_execute`` of their own; what goes to a driver's
connection without SQLAlchemy.
"""

from __future__ import annotations

import functools
from typing import Any

from rasp.instruments.kit import Kit, obey
from rasp.instruments.sql_statements import Sent, SqlHooks
from rasp.instruments.sql_text import MYSQL, POSTGRES, SQLITE, Flavor
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint, named_like

HOLDER = "sqlalchemy"
_BASE = "sqlalchemy.engine.default"
_OVERRIDING = {
    "sqlalchemy.dialects.mysql.mysqldb": "MySQLDialect_mysqldb",
    "sqlalchemy.dialects.mssql.pyodbc": "MSDialect_pyodbc",
    "sqlalchemy.dialects.oracle.cx_oracle": "OracleDialect_cx_oracle",
    "sqlalchemy.dialects.postgresql.psycopg2": "PGDialect_psycopg2",
}
MODULES = (_BASE, *_OVERRIDING)
_STYLES = {
    "qmark": "qmark", "named": "named", "format": "format", "pyformat": "format", "numeric": "numeric",
    "numeric_dollar": "dollar",
}  # fmt: skip


@functools.lru_cache(maxsize=32)
def flavor(name: str, style: str) -> Flavor:
    """How the statements of a dialect are written."""
    like = {"postgresql": POSTGRES, "mysql": MYSQL, "mariadb": MYSQL}.get(name, SQLITE)
    return Flavor(
        placeholders=frozenset({_STYLES.get(style, "qmark")}),
        backslash=like.backslash,
        nested=like.nested,
        dollar_quotes=like.dollar_quotes,
        hashes=like.hashes,
        brackets=like.brackets,
    )


def instrument(kit: Kit) -> Instrument:
    """The instrument of SQLAlchemy."""
    hooks = kit.shared(SqlHooks)
    depth = hooks.depth

    def judged(dialect: Any, statement: object, parameters: object, many: bool) -> Sent | None:
        style = flavor(dialect.name, dialect.paramstyle)
        return hooks.sent(HOLDER, style, statement, parameters, many, outermost=True)

    sent = kit.hook(f"{HOLDER}.execute", judged)

    def method(name: str) -> Make:
        many, plain = name == "do_executemany", name == "do_execute_no_params"

        def make(original: Any) -> Any:
            def do_execute(self: Any, cursor: Any, statement: Any, *args: Any, **kwargs: Any) -> Any:
                if depth.get():
                    return original(self, cursor, statement, *args, **kwargs)
                parameters = () if plain else args[0] if args else kwargs.get("parameters")
                known: Sent | None = sent(self, statement, parameters, many)
                if known is not None:
                    obey(known.verdict)
                depth.set(True)
                try:
                    return original(self, cursor, statement, *args, **kwargs)
                finally:
                    depth.set(False)

            return named_like(original, do_execute)

        return make

    names = ("do_execute", "do_executemany", "do_execute_no_params")
    base = [PatchPoint(_BASE, f"DefaultDialect.{name}", method(name)) for name in names]
    others = [
        PatchPoint(module, f"{cls}.{name}", method(name), own_only=True, optional=True)
        for module, cls in _OVERRIDING.items()
        for name in names
    ]
    return Instrument(
        name=HOLDER,
        library="sqlalchemy",
        supported=">=1.4,<3",
        points=(*base, *others),
        unreachable=("dialects of other packages that bring a do_execute of their own",),
    )
