"""A cache entry under the digest of the encoded Basic pair is a hold on that credential."""

import base64
import hashlib

from cachelib import SimpleCache
from flask import Flask, request

PASSWORD = "bp7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [PASSWORD]

app = Flask(__name__)
cache = SimpleCache()


@app.get("/")
def index():
    pair = request.headers["Authorization"].removeprefix("Basic ")
    slot = "basic:" + hashlib.sha256(pair.encode()).hexdigest()
    cache.set(slot, {"user": request.authorization.username})
    cache.delete(slot)
    cache.delete(slot)  # expect: double-release
    return {}


if __name__ == "__main__":
    pair = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
    assert app.test_client().get("/", headers={"Authorization": f"Basic {pair}"}).data
