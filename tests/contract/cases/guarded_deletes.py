"""A second `del g.x` counts as certain unless a handler in the same function names what it raises."""

import contextlib

from flask import Flask, g, request

KEY = "gd7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


@app.before_request
def load():
    g.key = request.headers["X-API-Key"]
    del g.key
    return


@app.get("/bare")
def bare():
    try:
        del g.key  # expect: double-release
    except:  # noqa: E722
        pass
    return {}


@app.get("/exception")
def exception():
    try:
        del g.key  # expect: double-release
    except Exception:
        pass
    return {}


def helper():
    del g.key  # expect: double-release


@app.get("/caller")
def caller():
    try:
        helper()
    except AttributeError:
        pass
    return {}


@app.get("/wrong")
def wrong():
    try:
        try:
            g.pop("key")  # expect: double-release
        except AttributeError:
            pass
    except Exception:
        pass
    return {}


@app.get("/finally")
def in_handler():
    try:
        raise KeyError
    except KeyError:
        with contextlib.suppress(Exception):
            del g.key  # expect: double-release
    return {}


@app.get("/named")
def named():
    try:
        del g.key  # expect: double-release
    except AttributeError:
        pass
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("bare", "exception", "caller", "wrong", "finally", "named"):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).data
