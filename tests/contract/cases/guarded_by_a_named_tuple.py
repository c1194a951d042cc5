"""The handler names the raised class through a module-level tuple: the idempotent form, on one path a note."""

from flask import Flask, g, request

KEY = "gd7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]
EXPECTED = (AttributeError, KeyError)

app = Flask(__name__)


def drop_tuple():
    try:
        del g.key  # note: double-release
    except EXPECTED:
        pass


@app.get("/<name>")
def view(name):
    g.key = request.headers["X-API-Key"]
    for _ in range(2):
        globals()[name]()
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("drop_tuple",):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).data
