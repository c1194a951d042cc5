"""A key already known from another header is the same credential when it comes behind a scheme word."""

from flask import Flask, g, request

KEY = "kv7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


@app.get("/first")
def first():
    return {}


@app.get("/second")
def second():
    g.header = request.headers["Authorization"]
    g.pop("header")
    g.pop("header", None)  # expect: double-release
    return {}


if __name__ == "__main__":
    client = app.test_client()
    assert client.get("/first", headers={"X-API-Key": KEY}).data
    assert client.get("/second", headers={"Authorization": f"Bearer {KEY}"}).data
