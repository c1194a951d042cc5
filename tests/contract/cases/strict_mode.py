"""strict raises at the call after the line was written; what the app swallows is raised when the request ends."""

import io
import logging

from cachelib import SimpleCache
from flask import Flask, request

KEY = "sm7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = []
MODE = "strict"

app = Flask(__name__)
app.testing = True
cache = SimpleCache()
stream = io.StringIO()
logging.basicConfig(level=logging.INFO, stream=stream)
seen = []


@app.get("/raised")
def raised():
    try:
        app.logger.warning("%s", request.headers["X-API-Key"])  # expect: raw-token-logged
    except Exception as error:
        seen.append((type(error).__name__, stream.getvalue().count(KEY)))
    return {}


@app.get("/key")
def key():
    cache.set(request.headers["X-API-Key"], 1)  # expect: raw-token-as-key
    return {}


@app.get("/note")
def note():
    cache.delete("a" * 64 + request.headers["X-API-Key"])  # note: release-without-acquire
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path, name in (("raised", "RawTokenLogged"), ("key", "RawTokenAsKey")):
        caught = None
        try:
            client.get(f"/{path}", headers={"X-API-Key": KEY}).data
        except Exception as error:
            caught = error
        assert type(caught).__name__ == name, caught
        assert KEY not in str(caught)
    assert seen == [("RawTokenLogged", 1)], seen
    assert client.get("/note", headers={"X-API-Key": KEY}).data
