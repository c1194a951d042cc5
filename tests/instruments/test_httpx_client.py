"""httpx and httpx2, with and without ``await``."""

from __future__ import annotations

import asyncio

import httpx
import httpx2
import pytest
from contract import KEY
from sending_contract import SendingContract
from support.web import call


class TestHttpx(SendingContract):
    name = "httpx"
    holder = "httpx"
    hooks = ("httpx.send", "httpx.answer")
    library = httpx

    def send(self, method, url, headers):
        with self.library.Client() as client:
            return client.request(method, url, headers=headers).json()

    def raises(self, subject):
        error = RuntimeError("no network")

        def refuse(request):
            raise error

        transport = self.library.MockTransport(refuse)
        with self.library.Client(transport=transport) as client, pytest.raises(RuntimeError) as caught:
            client.get("http://127.0.0.1:9", headers={"X-API-Key": KEY})
        return error, caught.value

    def test_an_app_in_this_process_is_no_host(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        with self.built(tmp_path / "app") as subject:

            @subject.app.get("/inside")
            def inside():
                transport = self.library.WSGITransport(app=lambda environ, start: start("204 No", []) and [])
                with self.library.Client(transport=transport) as client:
                    return {"status": client.get("http://api.example.com", headers={"X-A": KEY}).status_code}

            call(subject.app, "/inside", {"X-API-Key": KEY})
        assert installed.findings == []
        assert installed.seen(self.holder) == []


class TestHttpxAsync(TestHttpx):
    def send(self, method, url, headers):
        async def send():
            async with self.library.AsyncClient() as client:
                return (await client.request(method, url, headers=headers)).json()

        return asyncio.run(send())


class TestHttpx2(TestHttpx):
    name = "httpx2"
    holder = "httpx2"
    hooks = ("httpx2.send", "httpx2.answer")
    library = httpx2


class TestHttpx2Async(TestHttpxAsync):
    name = "httpx2"
    holder = "httpx2"
    hooks = ("httpx2.send", "httpx2.answer")
    library = httpx2
