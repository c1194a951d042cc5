"""Another caller's key sent out by this request; the pairs and the keys for which it is fine."""

import asyncio
import os

import aiohttp
import requests
from flask import Flask, request
from requests.adapters import BaseAdapter

ALICE = "la7Jk2Lm9Qw4Er6Ty8Ui3"
BOB = "lb4Rt6Yu8Io2Pa7Sd9Fg1"
INTERNAL = "in9Rt6Yu8Io2Pa7Sd9Fg1"
SECRETS = [ALICE, BOB, INTERNAL]
ENV = {"INTERNAL_TOKEN": "in9Rt6Yu8Io2Pa7Sd9Fg1"}
CONFIG = 'allowed_hosts = ["api.example.com"]\n'

app = Flask(__name__)
last = {}


class Adapter(BaseAdapter):
    """Stands for the network, from TLS on."""

    def send(self, prepared, **kwargs):
        answer = requests.Response()
        answer.status_code, answer.url, answer.request, answer._content = 200, prepared.url, prepared, b"{}"
        return answer

    def close(self):
        pass


session = requests.Session()
session.mount("https://", Adapter())


@app.get("/own")
def own():
    last["key"] = request.headers["X-API-Key"]
    session.get("https://api.example.com/", headers={"X-API-Key": last["key"]})
    return {}


@app.get("/other")
def other():
    session.get("https://api.example.com/", headers={"X-API-Key": last["key"]})  # expect: cross-request-leak
    return {}


@app.get("/other-async")
def other_async():
    async def send():
        async with aiohttp.ClientSession() as client:
            try:
                await client.get("http://127.0.0.1:9", headers={"X-API-Key": last["key"]})
            except aiohttp.ClientError:
                return {}

    return asyncio.run(send())


@app.get("/internal")
def internal():
    session.get("https://api.example.com/", headers={"X-API-Key": os.environ["INTERNAL_TOKEN"]})
    return {}


@app.get("/both")
def both():
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path, key in (("own", ALICE), ("own", ALICE), ("other", BOB), ("internal", INTERNAL), ("internal", BOB)):
        assert client.get(f"/{path}", headers={"X-API-Key": key}).status_code == 200, path
    # Nothing is sent where no connection comes about.
    assert client.get("/other-async", headers={"X-API-Key": BOB}).status_code == 200
    # Presented together they are one caller's, from then on.
    assert client.get("/both", headers={"X-API-Key": ALICE, "Authorization": f"Bearer {BOB}"}).status_code == 200
    assert client.get("/own", headers={"X-API-Key": ALICE}).status_code == 200
    session.get("https://api.example.com/", headers={"X-API-Key": last["key"]})
