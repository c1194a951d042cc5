"""What all databases have in common: a written credential is found, a look-up is a note, a digest is none."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import ClassVar

from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request

DIGEST = hashlib.sha256(KEY.encode()).hexdigest()


def presented():
    """The key of this request's caller."""
    return request.headers["X-API-Key"]


class DatabaseContract(InstrumentContract):
    """A database driver: ``connect`` opens a connection to a database whose table ``api_keys`` is new.

    Attributes:
        mark: its placeholder.
        wrong: the error that it makes of a wrong statement.
    """

    paths = ("/clean", "/defect", "/look_up", "/literal", "/many")
    clean = ("use",)
    defective = ("expose",)
    finding = ("raw-token-stored", "warning", "defect")
    mark: ClassVar[str] = "%s"
    wrong: ClassVar[type[Exception]]

    def connect(self, folder):
        raise NotImplementedError

    def subject(self, folder):
        connection, mark = self.connect(folder), self.mark
        kept = []

        def sql(statement):
            return statement.replace("?", mark)

        app = flask_app()

        @app.get("/clean")
        def clean():
            with closing(connection.cursor()) as cursor:
                cursor.execute(sql("INSERT INTO api_keys (name, secret) VALUES (?, ?)"), ("ann", DIGEST))
                cursor.execute(sql("SELECT name FROM api_keys WHERE secret = ?"), (DIGEST,))
                kept.append(cursor.fetchall())
            return {"ok": True}

        @app.get("/defect")
        def defect():
            with closing(connection.cursor()) as cursor:
                cursor.execute(sql("INSERT INTO api_keys (name, secret) VALUES (?, ?)"), ("bob", presented()))
                kept.append(cursor.rowcount)
            return {"ok": True}

        @app.get("/look_up")
        def look_up():
            with closing(connection.cursor()) as cursor:
                cursor.execute(sql("SELECT name FROM api_keys WHERE secret = ?"), (presented(),))
                kept.append(cursor.fetchall())
                cursor.execute(sql("UPDATE api_keys SET name = ? WHERE secret = ?"), ("eve", presented()))
                cursor.execute(sql("DELETE FROM api_keys WHERE secret = ?"), (presented(),))
            return {"ok": True}

        @app.get("/literal")
        def literal():
            with closing(connection.cursor()) as cursor:
                cursor.execute(f"UPDATE api_keys SET secret = '{presented()}' WHERE name = 'nobody'")
            return {"ok": True}

        @app.get("/many")
        def many():
            with closing(connection.cursor()) as cursor:
                rows = [("carl", "x"), ("dora", presented())]
                cursor.executemany(sql("INSERT INTO api_keys (name, secret) VALUES (?, ?)"), rows)
                kept.append(cursor.rowcount)
            return {"ok": True}

        @app.get("/missing")
        def missing():
            with closing(connection.cursor()) as cursor:
                cursor.execute(sql("SELECT name FROM api_keys WHERE secret = ?"), (DIGEST,))
                kept.append(cursor.fetchall())
            return {"ok": True}

        def written():
            with closing(connection.cursor()) as cursor:
                cursor.execute("SELECT name, secret FROM api_keys ORDER BY name")
                return kept, cursor.fetchall()

        return Subject(app, written, connection.close)

    def raises(self, subject):
        raise NotImplementedError

    def graded(self, install_rasp, tmp_path, path):
        """(rule, severity) of everything that one path is found for."""
        installed = install_rasp(record=True)
        with self.built(tmp_path / "graded") as subject:
            self.call(subject, path)
        assert {found.location.function for found in installed.findings} <= {path[1:]}
        return [(found.rule, found.severity.word) for found in installed.findings if found.rule == "raw-token-stored"]

    def test_a_look_up_is_a_note(self, install_rasp, tmp_path):
        assert self.graded(install_rasp, tmp_path, "/look_up") == [("raw-token-stored", "note")] * 3

    def test_what_stands_in_the_text_is_found(self, install_rasp, tmp_path):
        assert self.graded(install_rasp, tmp_path, "/literal") == [("raw-token-stored", "warning")]

    def test_many_rows_are_one_event(self, install_rasp, tmp_path):
        assert self.graded(install_rasp, tmp_path, "/many") == [("raw-token-stored", "warning")]

    def test_a_digest_that_is_not_found_shows_nothing(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        with self.built(tmp_path / "missing") as subject:
            self.call(subject, "/missing")
        assert installed.seen(self.holder) == []
