"""Flask-Limiter counts under what the key function returns: the raw key is found at that function."""

import hashlib

from flask import Flask, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

KEY = "rl7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]


def by_key():  # expect: raw-token-as-key
    return request.headers["X-API-Key"]


def by_digest():
    return hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()


app = Flask(__name__)
limiter = Limiter(get_remote_address, app=app, default_limits=["100/minute"])


@app.get("/key")
@limiter.limit("50/minute; 500/hour", key_func=by_key)
def raw():
    return {}


@app.get("/digest")
@limiter.limit("50/minute", key_func=by_digest)
def digest():
    return {}


@app.get("/shared")
@limiter.shared_limit("50/minute", scope="shared", key_func=by_digest)
def shared():
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("key", "digest", "shared", "key"):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).status_code == 200
