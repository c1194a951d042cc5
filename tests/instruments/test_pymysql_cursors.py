"""PyMySQL, with a MariaDB server."""

from __future__ import annotations

from contextlib import closing

import pymysql
import pytest
from contract import KEY, flask_app
from database_contract import DIGEST, DatabaseContract, presented
from support.databases import mariadb
from support.web import call


@pytest.fixture(scope="module")
def server():
    with mariadb() as port:
        yield port


@pytest.fixture
def connection(server):
    with closing(opened(server)) as made:
        yield made


def opened(server, **settings):
    settings = {"host": "127.0.0.1", "port": server, "user": "root", "database": "test", "autocommit": True, **settings}
    connection = pymysql.connect(**settings)
    with connection.cursor() as cursor:
        cursor.execute("SET sql_notes = 0")
        cursor.execute("DROP TABLE IF EXISTS api_keys")
        cursor.execute("CREATE TABLE api_keys (name VARCHAR(100), secret VARCHAR(100) UNIQUE)")
    return connection


class TestPyMySQL(DatabaseContract):
    name = holder = "pymysql"
    hooks = ("pymysql.execute", "pymysql.rows")

    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.server = server

    def connect(self, folder):
        return opened(self.server)

    def raises(self, subject):
        with closing(opened(self.server)) as connection, pytest.raises(pymysql.err.ProgrammingError) as caught:
            connection.cursor().execute("SELECT nothing FROM nowhere WHERE x = %s", (KEY,))
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
        ("INSERT INTO api_keys SET secret = %(key)s, name = 'it\\'s'", "warning"),
        ("REPLACE api_keys (secret) VALUE (%(key)s) # that's it", "warning"),
        ("INSERT INTO api_keys VALUES ('ann', 'x') ON DUPLICATE KEY UPDATE name = %(key)s", "warning"),
        ("INSERT INTO api_keys VALUES ('ann', SHA2(%(key)s, 256))", "note"),
        ("UPDATE api_keys SET name = 'ann' WHERE secret = %(key)s OR name LIKE '%%\\''", "note"),
        ('SELECT `name`, "it\'s" FROM api_keys WHERE secret = %(key)s', "note"),
    ],
)
def test_the_clause_grades_it(observe, connection, statement, severity):
    def view():
        with connection.cursor() as cursor:
            cursor.execute(statement, {"key": presented()})
        return "ok"

    assert served(observe, view) == [(severity, "view")]


def test_a_single_parameter_and_a_procedure_are_seen(observe, connection):
    with connection.cursor() as cursor:
        cursor.execute("DROP PROCEDURE IF EXISTS same")
        cursor.execute("CREATE PROCEDURE same(IN given VARCHAR(100)) SELECT given")

    def view():
        with connection.cursor(pymysql.cursors.DictCursor) as cursor:
            with pytest.warns(DeprecationWarning, match="single argument"):
                cursor.execute("INSERT INTO api_keys (secret) VALUES (%s)", presented())
            cursor.callproc("same", (presented(),))
            assert list(cursor.fetchone().values()) == [presented()]
        return "ok"

    assert served(observe, view) == [("warning", "view"), ("note", "view")]


def test_unbuffered_rows_are_not_counted_as_found(observe, connection):
    def view():
        with connection.cursor(pymysql.cursors.SSCursor) as cursor:
            cursor.execute("SELECT name FROM api_keys WHERE secret = %s", (DIGEST,))
            assert cursor.fetchall() == []
        return "ok"

    assert served(observe, view) == []
    assert observe.runtime.ledger.values.get(KEY).rank.name == "ANSWERED"


def test_strict_raises_before_it_is_written(install_rasp, connection):
    install_rasp(mode="strict")

    def view():
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO api_keys (secret) VALUES (%s)", [("x",), (presented(),)])

    with pytest.raises(Exception, match="RASP207"):
        served(None, view)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM api_keys")
        assert cursor.fetchone() == (0,)
