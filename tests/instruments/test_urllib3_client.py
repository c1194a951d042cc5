"""urllib3: by itself; what it sends again, and where a redirect leads, are sends of their own."""

from __future__ import annotations

import json

import pytest
import urllib3
from contract import KEY
from sending_contract import SendingContract
from support.upstream import resolve_to_loopback
from support.web import call
from urllib3.connection import HTTPConnection


class TestUrllib3(SendingContract):
    name = "urllib3"
    holder = "urllib3"
    hooks = ("urllib3.request", "urllib3.answer")

    def send(self, method, url, headers):
        with urllib3.PoolManager() as pool:
            return json.loads(pool.request(method, url, headers=headers).data)

    def raises(self, subject):
        error = RuntimeError("no network")

        class Refusing(HTTPConnection):
            def connect(self):
                raise error

        pool = urllib3.HTTPConnectionPool("127.0.0.1", 9)
        pool.ConnectionCls = Refusing
        with pool, pytest.raises(RuntimeError) as caught:
            pool.request("GET", "/", headers={"X-API-Key": KEY})
        return error, caught.value

    def test_it_alone_tells_of_its_sends(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        self.outcome(tmp_path / "under", "/clean")
        assert installed.seen("http.client", "urllib3") == [("use", "urllib3")]

    def test_a_retry_and_a_redirect_are_sends(self, install_rasp, tmp_path, monkeypatch):
        resolve_to_loopback(monkeypatch)
        installed = install_rasp(record=True)
        with self.built(tmp_path / "app") as subject:
            there = f"http://api.example.com:{self.server.port}/there"
            self.server.says("/moved", {}, 307, Location=there)
            self.server.says("/busy", {}, 503)

            @subject.app.get("/retry")
            def retry():
                retries = urllib3.Retry(2, status_forcelist=[503], backoff_factor=0, raise_on_status=False)
                with urllib3.PoolManager(retries=retries) as pool:
                    return {"status": pool.request("GET", f"{self.server.url}/busy", headers={"X-A": KEY}).status}

            @subject.app.get("/redirect")
            def redirect():
                with urllib3.PoolManager() as pool:
                    return {"status": pool.request("GET", f"{self.server.url}/moved", headers={"X-A": KEY}).status}

            assert json.loads(call(subject.app, "/retry", {"X-API-Key": KEY}).body) == {"status": 503}
            assert installed.seen("http.client", "urllib3") == [("use", "urllib3")] * 3
            assert installed.findings == []
            assert json.loads(call(subject.app, "/redirect", {"X-API-Key": KEY}).body) == {"status": 200}
        assert sorted(installed.judged()) == [
            ("plaintext-credential", "error", "redirect"),
            ("raw-token-sent-elsewhere", "warning", "redirect"),
        ]
