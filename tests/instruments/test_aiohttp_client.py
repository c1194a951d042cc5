"""aiohttp's client."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from contract import KEY
from sending_contract import SendingContract


class TestAiohttp(SendingContract):
    name = "aiohttp"
    holder = "aiohttp"
    hooks = ("aiohttp.send", "aiohttp.answer")

    def send(self, method, url, headers):
        async def send():
            async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as answer:
                return await answer.json()

        return asyncio.run(send())

    def raises(self, subject):
        error = RuntimeError("no network")

        class Refusing(aiohttp.ClientResponse):
            async def start(self, connection):
                raise error

        async def send():
            async with aiohttp.ClientSession(response_class=Refusing) as session:
                await session.get(f"{self.server.url}/clean", headers={"X-API-Key": KEY})

        with pytest.raises(RuntimeError) as caught:
            asyncio.run(send())
        return error, caught.value
