"""Fine: Flask runs the same teardown twice for a stream, and the release tolerates it."""

from flask import Flask, g, request, stream_with_context

KEY = "st7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


@app.teardown_request
def teardown(error):
    g.pop("key", None)  # note: double-release


@app.get("/stream")
def stream():
    g.key = request.headers["X-API-Key"]
    return app.response_class(stream_with_context(iter(["a", "b"])))


@app.get("/inner")
def inner():
    return {}


@app.get("/outer")
def outer():
    g.key = request.headers["X-API-Key"]
    assert app.test_client().get("/inner").status_code == 200
    return {}


if __name__ == "__main__":
    client = app.test_client()
    assert client.get("/stream", headers={"X-API-Key": KEY}).data == b"ab"
    assert client.get("/outer", headers={"X-API-Key": KEY}).data
    with app.test_client() as kept:
        assert kept.get("/stream", headers={"X-API-Key": KEY}).data == b"ab"
