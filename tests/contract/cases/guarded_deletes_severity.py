"""Guarded by its own class or a base of it: the idempotent form, a note where the same path runs again."""

import contextlib

from flask import Flask, g, request

KEY = "gd7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


def drop_attribute():
    try:
        del g.key  # note: double-release
    except AttributeError:
        pass


def drop_lookup():
    try:
        g.pop("key")  # note: double-release
    except LookupError:
        return


def drop_suppressed():
    with contextlib.suppress(KeyError, ValueError):
        g.pop("key")  # note: double-release


def drop_outer():
    with contextlib.suppress(AttributeError):
        try:
            del g.key  # note: double-release
        finally:
            g.cleaned = True


@app.get("/<name>")
def view(name):
    g.key = request.headers["X-API-Key"]
    for _ in range(2):
        globals()[name]()
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("drop_attribute", "drop_lookup", "drop_suppressed", "drop_outer"):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).data
