"""psycopg 3, with a PostgreSQL server."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import closing

import psycopg
import pytest
from contract import KEY, flask_app
from database_contract import DIGEST, DatabaseContract, presented
from psycopg import sql
from psycopg.types.json import Jsonb
from support.databases import postgres
from support.web import call


@pytest.fixture(scope="module")
def server():
    with postgres() as uri:
        yield uri


@pytest.fixture
def connection(server):
    with closing(opened(server)) as made:
        yield made


def opened(server):
    connection = psycopg.connect(server, autocommit=True)
    connection.execute("DROP TABLE IF EXISTS api_keys")
    connection.execute("CREATE TABLE api_keys (name TEXT, secret TEXT, more JSONB, raw BYTEA, list TEXT[])")
    return connection


class TestPsycopg(DatabaseContract):
    name = holder = "psycopg"
    hooks = ("psycopg.execute", "psycopg.rows")

    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.server = server

    def connect(self, folder):
        return opened(self.server)

    def raises(self, subject):
        with closing(opened(self.server)) as connection, pytest.raises(psycopg.errors.UndefinedTable) as caught:
            connection.execute("SELECT nothing FROM nowhere WHERE x = %s", (KEY,))
        return None, caught.value


def served(installed, function):
    """(severity, function) of what is found while a view does this."""
    app = flask_app()
    app.add_url_rule("/", "view", function)
    call(app, "/", {"X-API-Key": KEY})
    return [(found.severity.word, found.location.function) for found in installed.findings]


@pytest.mark.parametrize(
    ("statement", "severity"),
    [
        ("INSERT INTO api_keys (name, secret) VALUES (%(name)s, %(key)s)", "warning"),
        (
            "INSERT INTO api_keys (name, secret) VALUES (%(name)s, 'x') "
            "RETURNING secret = %(key)s",
            "note",
        ),
        ("INSERT INTO api_keys (name, secret) VALUES (%(name)s, md5(%(key)s))", "note"),
        ("WITH new AS (INSERT INTO api_keys (secret) VALUES (%(key)s) RETURNING *) SELECT * FROM new", "warning"),
        ("UPDATE api_keys SET secret = %(key)s || '%%' /* 'it */ WHERE name = %(name)s", "warning"),
        ("UPDATE api_keys SET name = %(name)s FROM (SELECT %(key)s::text AS k) AS s WHERE secret = s.k", "note"),
        (
            "MERGE INTO api_keys AS a USING (SELECT %(name)s::text AS n) AS s ON a.name = s.n "
            "WHEN MATCHED AND secret = %(key)s THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (name) VALUES (s.n)",
            "note",
        ),
        (
            "MERGE INTO api_keys AS a USING (SELECT %(name)s::text AS n) AS s ON a.name = s.n "
            "WHEN NOT MATCHED THEN INSERT (name, secret) VALUES (s.n, %(key)s)",
            "warning",
        ),
        ("SELECT $tag$ it's $tag$, E'\\'', %(key)s::text -- ' ?\n", "note"),
    ],
)  # fmt: skip
def test_the_clause_grades_it(observe, connection, statement, severity):
    def view():
        names = {"name": "ann", "key": presented()}
        connection.execute(statement, {name: value for name, value in names.items() if f"({name})" in statement})
        return "ok"

    assert served(observe, view) == [(severity, "view")]


@pytest.mark.parametrize("wrap", [Jsonb, list, str.encode, "{}".format], ids=["json", "array", "bytes", "text"])
def test_it_is_found_in_what_wraps_it(observe, connection, wrap):
    column = {Jsonb: "more", list: "list", str.encode: "raw"}.get(wrap, "secret")

    def view():
        value = {"key": [presented()]} if wrap is Jsonb else [presented()] if wrap is list else presented()
        connection.execute(f"INSERT INTO api_keys ({column}) VALUES (%s)", (wrap(value),))
        return "ok"

    assert served(observe, view) == [("warning", "view")]


def test_composed_statements_are_read(observe, connection):
    query = "INSERT INTO {} (name, secret) VALUES ({}, {})"

    def view():
        composed = sql.SQL(query).format(sql.Identifier("api_keys"), sql.Literal(presented()), sql.Placeholder())
        connection.execute(composed, ("x",))
        return "ok"

    assert served(observe, view) == [("warning", "view")]


def test_raw_client_and_server_side_cursors_are_seen(observe, connection):
    def view():
        psycopg.RawCursor(connection).execute("INSERT INTO api_keys (name, secret) VALUES ($2, $1)", (presented(), "x"))
        psycopg.ClientCursor(connection).execute("INSERT INTO api_keys (secret) VALUES (%s)", (presented(),))
        with connection.transaction(), connection.cursor(name="mine") as cursor:
            cursor.execute("SELECT * FROM api_keys WHERE secret = %s", (presented(),))
        list(connection.cursor().stream("SELECT * FROM api_keys WHERE name = %s", (presented(),)))
        return "ok"

    severities = [severity for severity, _ in served(observe, view)]
    assert severities == ["warning", "warning", "note", "note"]


def test_asynchronous_cursors_are_seen_when_they_are_called(observe, server, connection):
    async def work(key):
        async with await psycopg.AsyncConnection.connect(server, autocommit=True) as other:
            await other.execute("INSERT INTO api_keys (secret) VALUES (%s)", (key,))
            async with other.cursor() as cursor:
                await cursor.executemany("UPDATE api_keys SET name = %s WHERE secret = %s", [("x", key)])
                return [row async for row in cursor.stream("SELECT name FROM api_keys")]

    def view():
        return {"rows": asyncio.run(work(presented()))}

    assert served(observe, view) == [("warning", "work"), ("note", "work")]
    assert inspect.iscoroutinefunction(psycopg.AsyncCursor.execute)
    assert inspect.isasyncgenfunction(psycopg.AsyncCursor.stream)


def test_strict_raises_before_it_is_written(install_rasp, connection):
    install_rasp(mode="strict")

    def view():
        connection.execute("INSERT INTO api_keys (secret) VALUES (%s)", (presented(),))

    with pytest.raises(Exception, match="RASP207"):
        served(None, view)
    assert connection.execute("SELECT count(*) FROM api_keys").fetchone() == (0,)


def test_a_row_under_a_binary_digest_verifies_the_credential(observe, connection):
    raw = bytes.fromhex(DIGEST)
    connection.execute("INSERT INTO api_keys (raw) VALUES (%s)", (raw,))

    def view():
        connection.execute("SELECT name FROM api_keys WHERE raw = %s", (raw,))
        return "ok"

    assert served(observe, view) == []
    assert observe.runtime.ledger.values.get(KEY).rank.name == "VERIFIED"
