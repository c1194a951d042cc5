"""A key in the URL of an outbound request: in its query, its path, before its host; not in its fragment."""

import os
from urllib.parse import quote

import httpx
import httpx2
from flask import Flask, request

KEY = "ur7Jk2Lm9+Qw4/Er6Ty8Ui3"
BOT = "41234567:bo7Jk2Lm9Qw4Er6Ty8Ui3Op5"
SECRETS = [KEY, BOT]
ENV = {"BOT_TOKEN": "41234567:bo7Jk2Lm9Qw4Er6Ty8Ui3Op5"}
QUIET = ["raw-token-sent-elsewhere", "plaintext-credential"]

app = Flask(__name__)
client = httpx.Client(transport=httpx.MockTransport(lambda outgoing: httpx.Response(200)))
other = httpx2.Client(transport=httpx2.MockTransport(lambda outgoing: httpx2.Response(200)))


@app.get("/query")
def query():
    key = request.headers["X-API-Key"]
    query, headers = {"api_key": key}, {"X-API-Key": key}
    client.get("http://api.example.com/", params=query, headers=headers)  # expect: raw-token-in-url
    return {}


@app.get("/path")
def path():
    other.post(f"https://bots.example.com/bot{os.environ['BOT_TOKEN']}/send")  # expect: raw-token-in-url
    return {}


@app.get("/before")
def before():
    key = quote(request.headers["X-API-Key"], safe="")
    client.get(f"https://user:{key}@api.example.com/")  # expect: raw-token-in-url
    return {}


@app.get("/fragment")
def fragment():
    client.get("https://api.example.com/a?b=c#" + quote(request.headers["X-API-Key"], safe=""))
    return {}


if __name__ == "__main__":
    for name in ("query", "path", "before", "fragment"):
        assert app.test_client().get(f"/{name}", headers={"X-API-Key": KEY}).status_code == 200, name
