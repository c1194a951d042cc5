"""functools caches keep their arguments: a caller's key stays behind in one."""

import functools
import hashlib

from flask import Flask, request

KEY = "lr7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
app.secret_key = "lrSecretKey0Zx8Cv6Bn4M"


@functools.lru_cache(maxsize=128)
def user_of(key):
    return {"name": "ann"}


@functools.cache
def by_digest(digest):
    return {"name": "ann"}


@functools.lru_cache
def signer(secret):
    return {"bits": len(secret) * 8}


class Users:
    @functools.lru_cache  # noqa: B019 - what is tested
    def of(self, key, *, tenant):
        return {"tenant": tenant}


users = Users()


@app.get("/raw")
def raw():
    return user_of(request.headers["X-API-Key"])  # expect: raw-token-as-key


@app.get("/method")
def method():
    return users.of(key=request.headers["X-API-Key"], tenant=7)  # expect: raw-token-as-key


@app.get("/digest")
def digest():
    return by_digest(hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest())


@app.get("/service")
def service():
    return signer(app.secret_key)


if __name__ == "__main__":
    client = app.test_client()
    for path in ("raw", "method", "digest", "service"):
        for _ in range(2):
            assert client.get(f"/{path}", headers={"X-API-Key": KEY}).json
    assert user_of.cache_info().hits == 1
