"""http.client: by itself, through urllib.request, and put together by hand."""

from __future__ import annotations

import http.client
import json
import urllib.request

import pytest
from contract import KEY
from sending_contract import SendingContract
from support.installed import Installed
from support.web import call

from rasp import RaspViolation


class TestHttpClient(SendingContract):
    name = "http.client"
    holder = "http.client"
    hooks = ("http.client.request", "http.client.answer")

    def send(self, method, url, headers):
        _, _, rest = url.partition("://")
        host, _, path = rest.partition("/")
        connection = http.client.HTTPConnection(host, timeout=10)
        try:
            connection.request(method, f"/{path}", headers=headers)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def raises(self, subject):
        error = RuntimeError("no network")

        class Refusing(http.client.HTTPConnection):
            def connect(self):
                raise error

        with pytest.raises(RuntimeError) as caught:
            Refusing("127.0.0.1", 9).request("GET", "/", headers={"X-API-Key": KEY})
        return error, caught.value


class TestUrllib(TestHttpClient):
    hooks = ("http.client.request", "http.client.answer")

    def send(self, method, url, headers):
        asked = urllib.request.Request(url, headers=headers, method=method)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.load(answer)


class TestByHand(TestHttpClient):
    hooks = ("http.client.endheaders", "http.client.answer")

    def send(self, method, url, headers):
        _, _, rest = url.partition("://")
        host, _, path = rest.partition("/")
        connection = http.client.HTTPConnection(host, timeout=10)
        try:
            connection.putrequest(method, f"/{path}")
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def test_a_refused_request_leaves_nothing_behind_in_its_connection(self, install_rasp, tmp_path):
        installed: Installed = install_rasp(mode="strict")
        with self.built(tmp_path / "app") as subject:
            kept = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)

            @subject.app.get("/again")
            def again():
                kept.putrequest("GET", f"/?api_key={KEY}")
                try:
                    kept.endheaders()
                except RaspViolation:
                    kept.close()
                kept.request("GET", "/after")
                kept.getresponse().read()
                kept.close()
                return "ok"

            with pytest.raises(Exception, match="RASP204"):
                call(subject.app, "/again", {"X-API-Key": KEY})
            assert [(found.path, KEY in str(found)) for found in self.server.seen] == [("/after", False)]
        assert len(installed.findings) == 1
