"""The contract of every verifier: what it accepts is verified, once a call; what it refuses was tried."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any, ClassVar

import pytest
from contract import InstrumentContract, Subject, flask_app
from flask import request
from support.installed import UNCHECKED, Installed
from support.web import Answer, call

LOUD: dict[str, str] = {}
"""The setting ``rules`` under which a credential that nobody checks is told."""


def log_to_memory() -> logging.Logger:
    """A logger whose lines nobody reads."""
    log = logging.Logger("verified")
    log.addHandler(logging.StreamHandler(io.StringIO()))
    return log


class VerifierContract(InstrumentContract):
    """``/clean`` and ``/defect`` check the credential that the request presents; ``/defect`` logs it then.

    Attributes:
        credential: what is presented, and logged.
        headers, query: where it is presented.
    """

    paths = ("/clean", "/defect", "/refused")
    clean: ClassVar[tuple[str, ...]] = ("verify",)
    defective: ClassVar[tuple[str, ...]] = ("verify",)
    finding = ("raw-token-logged", "error", "defect")
    credential: ClassVar[str]
    headers: ClassVar[dict[str, str]] = {}
    query: ClassVar[str] = ""

    def check(self, app: Any, right: bool) -> bool:
        """Has the library check what the request presents; ``right`` tells against what."""
        raise NotImplementedError

    def prepare(self, app: Any) -> None:
        """What the app sets up first."""

    def call(self, subject: Subject, path: str) -> Answer:
        return call(subject.app, path + self.query, self.headers)

    def subject(self, folder: Path) -> Subject:
        app, log = flask_app(SECRET_KEY="of the app, and of nobody else 7"), log_to_memory()
        self.prepare(app)

        @app.get("/clean")
        def clean():
            return {"checked": self.check(app, True)}

        @app.get("/defect")
        def defect():
            checked = self.check(app, True)
            log.warning("came with %s", self.credential)
            return {"checked": checked}

        @app.get("/refused")
        def refused():
            return {"checked": self.check(app, False)}, 403

        return Subject(app)

    def raises(self, subject):
        app = subject.app
        app.add_url_rule("/raises", "raises", lambda: self.raising(app))
        with pytest.raises(Exception) as caught:
            self.call(subject, "/raises")
        return None, caught.value

    def raising(self, app: Any) -> Any:
        """Has the library raise something."""
        raise NotImplementedError

    def test_what_is_accepted_and_refused_is_told_so(self, install_rasp, tmp_path):
        installed: Installed = install_rasp(record=True, rules=LOUD)
        with self.built(tmp_path) as subject:
            assert self.call(subject, "/clean").body == b'{"checked":true}\n'
            assert self.call(subject, "/refused").body == b'{"checked":false}\n'
        assert installed.findings == []
        assert installed.seen(self.holder)[:1] == [("verify", self.holder)]


__all__ = ["LOUD", "UNCHECKED", "VerifierContract", "log_to_memory", "request"]
