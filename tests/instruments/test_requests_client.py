"""requests: one event a send, whatever carries it."""

from __future__ import annotations

import pytest
import requests
import urllib3
from contract import KEY
from requests.adapters import BaseAdapter, HTTPAdapter
from sending_contract import SendingContract
from support.upstream import resolve_to_loopback
from support.web import call


class TestRequests(SendingContract):
    name = "requests"
    holder = "requests"
    hooks = ("requests.send", "requests.answer")

    def send(self, method, url, headers):
        return requests.request(method, url, headers=headers, timeout=10).json()

    def raises(self, subject):
        error = RuntimeError("no network")

        class Refusing(BaseAdapter):
            def send(self, *args, **kwargs):
                raise error

            def close(self):
                pass

        session = requests.Session()
        session.mount("http://", Refusing())
        with session, pytest.raises(RuntimeError) as caught:
            session.get("http://127.0.0.1:9", headers={"X-API-Key": KEY})
        return error, caught.value

    def test_it_alone_tells_of_its_sends(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        self.outcome(tmp_path / "under", "/clean", "/clean")
        assert installed.seen("http.client", "urllib3", "requests") == [("use", "requests")] * 2

    def test_a_redirect_to_another_host_is_a_send_and_a_retry_is_the_adapters(
        self, install_rasp, tmp_path, monkeypatch
    ):
        resolve_to_loopback(monkeypatch)
        installed = install_rasp(record=True)
        with self.built(tmp_path / "app") as subject:
            self.server.says("/moved", {}, 307, Location=f"http://api.example.com:{self.server.port}/there")
            self.server.says("/busy", {}, 503)

            @subject.app.get("/retry")
            def retry():
                retries = urllib3.Retry(1, status_forcelist=[503], backoff_factor=0, raise_on_status=False)
                with requests.Session() as session:
                    session.mount("http://", HTTPAdapter(max_retries=retries))
                    return {"status": session.get(f"{self.server.url}/busy", headers={"X-A": KEY}).status_code}

            @subject.app.get("/redirect")
            def redirect():
                return {"ok": requests.get(f"{self.server.url}/moved", headers={"X-A": KEY}, timeout=10).ok}

            call(subject.app, "/retry", {"X-API-Key": KEY})
            seen = [("use", "requests"), ("use", "urllib3")]
            assert installed.seen("http.client", "urllib3", "requests") == seen
            assert installed.findings == []
            call(subject.app, "/redirect", {"X-API-Key": KEY})
        assert sorted(installed.judged()) == [
            ("plaintext-credential", "error", "redirect"),
            ("raw-token-sent-elsewhere", "warning", "redirect"),
        ]
        assert {event.step.slot for event in installed.records()[-1].events if event.step.action == "expose"} == {
            f"api.example.com:{self.server.port}"
        }

    def test_an_answer_read_as_a_stream_is_seen_when_it_is_parsed(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        with self.built(tmp_path / "app") as subject:

            @subject.app.get("/stream")
            def stream():
                with requests.post(f"{self.server.url}/token", stream=True, timeout=10) as answer:
                    return {"scheme": answer.json()["token_type"]}

            call(subject.app, "/stream", {"X-API-Key": KEY})
        assert installed.seen("requests") == [("acquire", "requests")]
