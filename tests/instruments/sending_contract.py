"""The contract of every HTTP client: the caller's key relayed to this machine is fine, in a URL it is not."""

from __future__ import annotations

from typing import Any

import pytest
from contract import InstrumentContract, Subject, flask_app
from flask import request
from support.made_up import text
from support.upstream import Upstream, upstream

GRANT = {"access_token": text("granted", 40), "token_type": "Bearer", "expires_in": 60}


class SendingContract(InstrumentContract):
    """``send`` is one request with the client under test; it returns the answer's JSON document.

    ``refused`` makes the library raise: (what it was given to raise, what came out).
    """

    paths = ("/clean", "/defect", "/exchange")
    clean = ("use",)
    defective = ("expose",)
    finding = ("raw-token-in-url", "error", "send")
    server: Upstream

    @pytest.fixture(autouse=True)
    def _server(self):
        with upstream() as self.server:
            self.server.says("/token", GRANT)
            yield

    def send(self, method: str, url: str, headers: dict[str, str]) -> Any:
        raise NotImplementedError

    def subject(self, folder):
        app, server = flask_app(), self.server
        server.seen.clear()

        def key():
            return request.headers["X-API-Key"]

        @app.get("/clean")
        def clean():
            return {"said": self.send("GET", f"{server.url}/clean", {"X-API-Key": key()})}

        @app.get("/defect")
        def defect():
            return {"said": self.send("GET", f"{server.url}/defect?api_key={key()}", {})}

        @app.get("/exchange")
        def exchange():
            return {"scheme": self.send("POST", f"{server.url}/token", {})["token_type"]}

        return Subject(app, lambda: list(server.seen), server.settle)

    def test_a_granted_token_is_issued_to_the_request_that_asked(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        self.outcome(tmp_path / "under", "/exchange")
        assert installed.judged() == []
        sources = [found.source for record in installed.records() for found in record.credentials]
        assert sources == ["header:x-api-key", "answer:access_token"]
        assert installed.seen(self.holder) == [("acquire", self.holder)]

    def test_strict_raises_before_anything_is_sent(self, install_rasp, tmp_path):
        install_rasp(mode="strict")
        with self.built(tmp_path / "strict") as subject:
            with pytest.raises(Exception, match="RASP204"):
                self.call(subject, "/defect")
            assert self.server.seen == []
            self.call(subject, "/clean")
            assert [found.path for found in self.server.seen] == ["/clean"]
