"""cachelib's delete_many names a key that was absent as deleted: the second one is a second release all the same."""

from cachelib import SimpleCache
from flask import Flask, request

KEY = "dm7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
cache = SimpleCache()


@app.get("/many")
def many():
    slot = "k:" + request.headers["X-API-Key"]
    cache.set_many({slot: 1, "other": 2})  # expect: raw-token-as-key
    assert cache.delete_many(slot, "other") == [slot, "other"]
    cache.delete_many("other", slot)  # expect: double-release
    return {}


if __name__ == "__main__":
    assert app.test_client().get("/many", headers={"X-API-Key": KEY}).data
