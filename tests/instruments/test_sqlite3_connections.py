"""sqlite3: its connections and cursors are subclasses that nobody can tell from the originals."""

from __future__ import annotations

import copy
import hashlib
import pickle
import sqlite3
import warnings
import weakref
from contextlib import closing

import pytest
from contract import KEY, flask_app
from database_contract import DIGEST, DatabaseContract, presented
from support.web import call


def opened(**settings):
    connection = sqlite3.connect(":memory:", check_same_thread=False, **settings)
    connection.execute("CREATE TABLE api_keys (name TEXT, secret TEXT)")
    return connection


class TestSqlite3(DatabaseContract):
    name = holder = "sqlite3"
    hooks = ("sqlite3.execute", "sqlite3.rows")
    mark = "?"

    def connect(self, folder):
        return opened()

    def raises(self, subject):
        with closing(opened()) as connection, pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("SELECT nothing FROM nowhere WHERE x = ?", (KEY,))
        return None, caught.value


def outcomes(connection):
    """What an app can observe of a connection and a cursor, errors included."""

    def told(function, subject):
        try:
            return function(subject)
        except Exception as error:
            return type(error), str(error)

    cursor = connection.execute("SELECT 1 AS one UNION SELECT 2")
    asked = {
        connection: (
            lambda it: it.nothing,
            lambda it: setattr(it, "new", 1),
            pickle.dumps,
            lambda it: pickle.dumps(it, 0),
            copy.copy,
            len,
            weakref.ref,
            lambda it: it.__dict__,
            lambda it: it.execute(),
            lambda it: it.execute("SELECT 1", (), 3),
            lambda it: it.execute(sql="SELECT 1"),
            lambda it: it.executemany("SELECT 1"),
            lambda it: it.executescript(),
            lambda it: it.cursor(None),
            lambda it: it.cursor(1, 2),
            lambda it: it.execute(3),
            lambda it: type(it.execute("SELECT 1")).__name__,
            lambda it: it.executescript("CREATE TABLE t (x); INSERT INTO t VALUES (1);").fetchall(),
            lambda it: list(it.execute("SELECT x FROM t")),
            lambda it: it.executemany("INSERT INTO t VALUES (?)", iter([(2,), (3,)])).rowcount,
            lambda it: list(it.iterdump()),
        ),
        cursor: (
            lambda it: it.nothing,
            lambda it: it.execute(),
            pickle.dumps,
            lambda it: it.description,
            lambda it: next(it, None),
            lambda it: it.fetchall(),
            lambda it: it.fetchone(),
            lambda it: it.executemany("SELECT 1", [()]),
            lambda it: it.connection is connection,
        ),
    }
    seen = [told(function, subject) for subject, functions in asked.items() for function in functions]
    for subject, cls in ((connection, sqlite3.Connection), (cursor, sqlite3.Cursor)):
        kind = type(subject)
        seen += [
            isinstance(subject, cls), subject.__class__ is cls, kind == cls, {cls: "found"}.get(kind), repr(kind),
            kind.__name__, kind.__qualname__, kind.__module__, repr(subject).partition(" at ")[0], dir(subject),
            {name: str(getattr(kind, name).__doc__) for name in ("execute", "executemany", "executescript")},
        ]  # fmt: skip
    return seen


def test_nothing_tells_a_connection_from_an_original_one(install_rasp):
    with closing(sqlite3.connect(":memory:")) as connection:
        bare = outcomes(connection)
    install_rasp()
    with closing(sqlite3.connect(":memory:")) as connection:
        assert type(connection) is not sqlite3.Connection
        under = outcomes(connection)
    assert [one for one in zip(under, bare, strict=True) if one[0] != one[1]] == []


def test_connect_binds_to_nothing_and_is_called_as_before(install_rasp):
    bare = (repr(sqlite3.connect), sqlite3.connect.__name__, sqlite3.connect.__doc__, sqlite3.connect.__class__)
    install_rasp()

    class Holder:
        connect = sqlite3.connect

    Holder().connect(":memory:").close()
    assert (repr(sqlite3.connect), sqlite3.connect.__name__, sqlite3.connect.__doc__, sqlite3.connect.__class__) == bare
    assert sqlite3.connect is sqlite3.dbapi2.connect
    with pytest.raises(TypeError, match="required argument 'database'"):
        sqlite3.connect()


def test_a_factory_of_the_apps_own_is_left_alone(install_rasp):
    install_rasp()

    class Own(sqlite3.Connection):
        pass

    class OwnCursor(sqlite3.Cursor):
        pass

    with closing(sqlite3.connect(":memory:", factory=Own)) as connection:
        assert type(connection) is Own
        assert type(connection.cursor(OwnCursor)) is OwnCursor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # by place, since Python 3.13
        connection = sqlite3.connect(":memory:", 5.0, 0, None, True, Own)
    with closing(connection):
        assert type(connection) is Own


def test_row_factories_and_transactions_work_as_before(install_rasp):
    install_rasp()
    with closing(opened()) as connection:
        connection.row_factory = sqlite3.Row
        with connection:
            connection.execute("INSERT INTO api_keys VALUES (?, ?)", ("ann", "x"))

        def failing():
            with connection:
                connection.execute("INSERT INTO api_keys VALUES (?, ?)", ("bob", "y"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            failing()
        assert [row["name"] for row in connection.execute("SELECT * FROM api_keys")] == ["ann"]
        assert connection.total_changes == 2


def served(installed, function, headers=None):
    """What is found while a view does this: (severity, function)."""
    app = flask_app()
    app.add_url_rule("/", "view", function)
    call(app, "/", headers or {"X-API-Key": KEY})
    return [(found.severity.word, found.location.function) for found in installed.findings]


@pytest.mark.parametrize(
    ("statement", "severity"),
    [
        ("INSERT INTO api_keys (name, secret) VALUES (:name, :key)", "warning"),
        ("INSERT INTO api_keys SELECT :name, :key", "warning"),
        ("INSERT INTO api_keys SELECT name, secret FROM api_keys WHERE secret = :key OR name = :name", "note"),
        ("UPDATE api_keys SET secret = :key WHERE name = :name", "warning"),
        ("UPDATE api_keys SET name = :name WHERE secret = :key", "note"),
        ("UPDATE api_keys SET name = CASE WHEN secret = :key THEN :name ELSE name END", "note"),
        ("INSERT INTO api_keys VALUES (:name, hex(:key))", "warning"),
        ("SELECT * FROM api_keys WHERE secret IN (:key, :name)", "note"),
        ("DELETE FROM api_keys WHERE secret = :key AND name <> :name", "note"),
    ],
)
def test_the_clause_grades_it(observe, statement, severity):
    with closing(opened()) as connection:

        def view():
            connection.execute(statement, {"name": "ann", "key": presented()})
            return "ok"

        assert served(observe, view) == [(severity, "view")]


def test_strict_raises_before_it_is_written(install_rasp):
    install_rasp(mode="strict")
    with closing(opened()) as connection:
        caught = []

        def view():
            try:
                connection.execute("INSERT INTO api_keys VALUES (?, ?)", ("ann", presented()))
            except Exception as error:
                caught.append(type(error).__name__)
                raise

        with pytest.raises(Exception, match="RASP207"):
            served(install_rasp, view)
        assert caught == ["RawTokenStored"]
        assert connection.execute("SELECT count(*) FROM api_keys").fetchone() == (0,)


def test_a_script_and_a_literal_are_read(observe):
    with closing(opened()) as connection:

        def view():
            connection.executescript(f"-- a'b\nUPDATE api_keys SET name = ';' WHERE secret = '{presented()}'; SELECT 1")
            connection.executescript(f"SELECT 1; INSERT INTO api_keys VALUES ('ann', '{presented()}')")
            return "ok"

        assert served(observe, view) == [("note", "view"), ("warning", "view")]


@pytest.mark.parametrize("fetch", ["fetchone", "fetchall", "fetchmany"])
def test_a_row_under_a_digest_verifies_the_credential(observe, fetch):
    with closing(opened()) as connection:
        connection.execute("INSERT INTO api_keys VALUES (?, ?)", ("ann", DIGEST))

        def view():
            assert getattr(connection.execute("SELECT * FROM api_keys WHERE secret = ?", (DIGEST,)), fetch)()
            return "ok"

        assert served(observe, view) == []
        assert observe.runtime.ledger.values.get(KEY).rank.name == "VERIFIED"


def test_a_binary_digest_of_a_weakly_named_value_makes_it_count(observe):
    digest = hashlib.sha256(KEY.encode()).digest()
    with closing(opened()) as connection:
        connection.execute("INSERT INTO api_keys VALUES (?, ?)", ("ann", digest))

        def view():
            connection.execute("SELECT * FROM api_keys WHERE secret = ?", (digest,)).fetchone()
            return "ok"

        app = flask_app()
        app.add_url_rule("/", "view", view)
        call(app, "/?key=" + KEY)
        assert observe.runtime.ledger.values.get(KEY).rank.name == "VERIFIED"


def test_a_row_under_the_raw_value_proves_nothing(observe):
    with closing(opened()) as connection:
        connection.execute("INSERT INTO api_keys VALUES (?, ?)", ("ann", KEY))

        def view():
            assert connection.execute("SELECT * FROM api_keys WHERE secret = ?", (presented(),)).fetchone()
            return "ok"

        assert served(observe, view) == [("note", "view")]
        assert observe.runtime.ledger.values.get(KEY).rank.name == "ANSWERED"


def test_a_service_secret_may_be_kept(observe):
    secret = "sv" + KEY[::-1]
    observe.runtime.ledger.own(secret, "env:PEPPER")
    with closing(opened()) as connection:

        def view():
            connection.execute("INSERT INTO api_keys VALUES (?, ?)", ("ann", secret))
            return "ok"

        assert served(observe, view) == []


@pytest.mark.parametrize("value", [None, 3, 2.5, "", "é" * 9, "\udcff", b"\x00\xff", "x" * 9000, "%s ? :a $$"])
def test_odd_values_are_passed_on(install_rasp, value):
    def stored():
        with closing(opened()) as connection:
            app = flask_app()

            def view():
                try:
                    connection.execute("INSERT INTO api_keys VALUES (?, ?)", ("ann", value))
                except UnicodeEncodeError as error:
                    return str(error)
                return repr(connection.execute("SELECT secret FROM api_keys").fetchall())

            app.add_url_rule("/", "view", view)
            return call(app, "/", {"X-API-Key": KEY})

    bare = stored()
    installed = install_rasp()
    assert stored() == bare
    assert installed.findings == []
