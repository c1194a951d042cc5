"""SQLAlchemy over sqlite3, psycopg and PyMySQL: one event a statement, told by SQLAlchemy."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest
import sqlalchemy as sa
from contract import KEY, flask_app
from database_contract import DIGEST, DatabaseContract, presented
from flask import request
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support.databases import mariadb, postgres
from support.installed import Process, install
from support.web import call

from rasp import runtime as process


class Base(DeclarativeBase):
    pass


class ApiKey(Base):
    __tablename__ = "api_keys"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100))
    secret: Mapped[str | None] = mapped_column(sa.String(100), unique=True)


@pytest.fixture(scope="module")
def uris(tmp_path_factory):
    with postgres() as uri, mariadb() as port:
        yield {
            "sqlite": f"sqlite:///{tmp_path_factory.mktemp('db')}/db.sqlite",
            "postgresql": uri.replace("postgresql:", "postgresql+psycopg:"),
            "mysql": f"mysql+pymysql://root@127.0.0.1:{port}/test",
        }


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def uri(request, uris):
    return uris[request.param]


class Statements:
    """SQLAlchemy's connections, under the names of the DB-API."""

    def __init__(self, engine):
        self._engine = engine
        self._connection = engine.connect()
        self.rowcount = -1

    def cursor(self):
        return self

    def execute(self, statement, parameters=()):
        self._result = self._connection.exec_driver_sql(statement, tuple(parameters) or None)
        self.rowcount = self._result.rowcount

    def executemany(self, statement, rows):
        self._result = self._connection.exec_driver_sql(statement, rows)

    def fetchall(self):
        return [tuple(row) for row in self._result.fetchall()]

    def close(self):
        pass

    def end(self):
        self._connection.close()
        self._engine.dispose()


class TestSQLAlchemy(DatabaseContract):
    name = holder = "sqlalchemy"
    hooks = ("sqlalchemy.execute",)
    mark = "?"
    clean = ()
    finding = ("raw-token-stored", "warning", "execute")

    def connect(self, folder):
        engine = sa.create_engine(f"sqlite:///{folder}/db.sqlite", poolclass=sa.pool.StaticPool)
        Base.metadata.create_all(engine)
        return Statements(engine)

    def subject(self, folder):
        subject = super().subject(folder)
        statements = subject.close.__self__
        subject.close = statements.end
        return subject

    def raises(self, subject):
        engine = sa.create_engine("sqlite://")
        with closing(engine.connect()) as connection, pytest.raises(sa.exc.OperationalError) as caught:
            connection.execute(sa.text("SELECT nothing FROM nowhere WHERE x = :x"), {"x": KEY})
        engine.dispose()
        return None, caught.value

    def test_a_version_without_a_patch_point_is_left_alone(self, tmp_path, monkeypatch):
        before = Process()
        monkeypatch.delattr("sqlalchemy.engine.default.DefaultDialect")
        installed = install(tmp_path)
        try:
            state, reason = installed.state(self.name)
        finally:
            process.uninstall()
        before.check()
        assert state == "unsupported"
        assert "DefaultDialect.do_execute" in reason

    def graded(self, install_rasp, tmp_path, path):
        installed = install_rasp()
        with self.built(tmp_path / "graded") as subject:
            self.call(subject, path)
        stored = [found for found in installed.findings if found.rule == "raw-token-stored"]
        return [(found.rule, found.severity.word) for found in stored for _ in range(3 if path == "/look_up" else 1)]


def served(installed, function):
    """(severity, holder, function) of what is found while a view does this."""
    app = flask_app()
    app.add_url_rule("/", "view", function)
    call(app, "/", {"X-API-Key": KEY})
    found = [found for found in installed.findings if found.rule == "raw-token-stored"]
    return [(one.severity.word, one.trail[-1].holder, one.location.function) for one in found]


@pytest.fixture
def engine(uri):
    engine = sa.create_engine(uri)
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def test_an_object_is_written_and_looked_up(observe, engine):
    def view():
        with Session(engine) as session:
            session.add(ApiKey(name="ann", secret=presented()))
            session.commit()
            assert session.scalars(sa.select(ApiKey).where(ApiKey.secret == presented())).one().name == "ann"
        return "ok"

    assert served(observe, view) == [("warning", "sqlalchemy", "view"), ("note", "sqlalchemy", "view")]


def test_many_objects_are_one_defect(observe, engine):
    def view():
        with Session(engine) as session:
            session.add_all([ApiKey(name=f"n{number}", secret=f"{presented()}.{number}") for number in range(30)])
            session.commit()
        return "ok"

    assert served(observe, view) == [("warning", "sqlalchemy", "view")]


@pytest.mark.parametrize(
    ("statement", "severity"),
    [
        (lambda key: sa.insert(ApiKey).values(name="n", secret=key), "warning"),
        (lambda key: sa.update(ApiKey).values(secret=key).where(ApiKey.name == "x"), "warning"),
        (lambda key: sa.update(ApiKey).values(name="y").where(ApiKey.secret == key), "note"),
        (lambda key: sa.delete(ApiKey).where(ApiKey.secret.in_([key, "x"])), "note"),
        (lambda key: sa.text("UPDATE api_keys SET secret = :key WHERE name = '\\:x %'").bindparams(key=key), "warning"),
        (lambda key: sa.text(f"UPDATE api_keys SET name = 'x' WHERE secret = '{key}'"), "note"),
        (lambda key: sa.select(sa.literal(key)), "note"),
        (
            lambda key: sa.insert(ApiKey).from_select(["name", "secret"], sa.select(sa.literal("n"), sa.literal(key))),
            "warning",
        ),
    ],
)  # fmt: skip
def test_the_clause_grades_it(observe, engine, statement, severity):
    def view():
        with engine.begin() as connection:
            connection.execute(statement(presented()))
        return "ok"

    assert served(observe, view) == [(severity, "sqlalchemy", "view")]


@pytest.mark.parametrize("dialect", [sqlite, postgresql])
def test_an_upsert_writes(observe, uris, dialect):
    engine = sa.create_engine(uris[dialect.__name__.rpartition(".")[2]])
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)

    def view():
        insert = dialect.insert(ApiKey).values(id=1, name="n")
        with engine.begin() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_={"secret": presented()}))
        return "ok"

    assert served(observe, view) == [("warning", "sqlalchemy", "view")]
    engine.dispose()


def test_a_row_under_a_digest_verifies_the_credential(observe, engine):
    with Session(engine) as session:
        session.add(ApiKey(name="ann", secret=DIGEST))
        session.commit()

    def view():
        with Session(engine) as session:
            assert session.scalars(sa.select(ApiKey).where(ApiKey.secret == DIGEST)).one().name == "ann"
        return "ok"

    assert served(observe, view) == []
    assert observe.runtime.ledger.values.get(KEY).rank.name == "VERIFIED"


def test_strict_raises_before_it_is_written_and_the_session_goes_on(install_rasp, engine):
    install_rasp(mode="strict")

    def view():
        with Session(engine) as session:
            session.add(ApiKey(name="ann", secret=presented()))
            session.commit()

    with pytest.raises(Exception, match="RASP207"):
        served(None, view)
    with Session(engine) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(ApiKey)) == 0


def test_an_asynchronous_engine_is_told_once(observe, uris):
    engine = create_async_engine(uris["postgresql"])

    async def work(key):
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(sa.insert(ApiKey).values(name="ann", secret=key))
        await engine.dispose()

    def view():
        asyncio.run(work(presented()))
        return "ok"

    assert served(observe, view) == [("warning", "sqlalchemy", "work")]


def test_a_session_library_keeps_its_sessions_under_their_names(observe, engine):
    """The cookie is opaque and names the session: as with a cache, that is a note."""
    library = {"__name__": "flask_session.sqlalchemy", "Session": Session, "ApiKey": ApiKey}
    exec(
        "def save(engine, key):\n with Session(engine) as s:\n  s.add(ApiKey(name='n', secret=key)); s.commit()",
        library,
    )

    app = flask_app()
    app.add_url_rule("/", "view", lambda: library["save"](engine, request.cookies["session"]) or "ok")
    call(app, "/", {"Cookie": f"session={KEY}"})
    assert [(found.rule, found.severity.word) for found in observe.findings] == [("raw-token-stored", "note")]


def test_without_its_instrument_the_driver_tells(install_rasp, uri):
    installed = install_rasp(disabled=["sqlalchemy"])
    engine = sa.create_engine(uri)
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)

    def view():
        with engine.begin() as connection:
            connection.execute(sa.insert(ApiKey).values(name="ann", secret=presented()))
        return "ok"

    ((severity, holder, function),) = served(installed, view)
    assert (severity, function) == ("warning", "view")
    assert holder == {"sqlite": "sqlite3", "postgresql": "psycopg", "mysql": "pymysql"}[engine.name]
    engine.dispose()
