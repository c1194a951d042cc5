"""A hold that one request takes and another releases; released twice by two; and slots that are not the same."""

from flask import Flask, request

import rasp

KEYS = ["ha7Jk2Lm9Qw4Er6Ty8Ui3", "hb7Jk2Lm9Qw4Er6Ty8Ui3"]
SECRETS = ["ha7Jk2Lm9Qw4Er6Ty8Ui3", "hb7Jk2Lm9Qw4Er6Ty8Ui3"]

app = Flask(__name__)


def key():
    return request.headers["X-API-Key"]


@app.get("/release")
def release():
    rasp.release(key(), "shared")
    return {}


@app.get("/twice")
def twice():
    rasp.release(key(), "shared")  # expect: double-release
    return {}


@app.get("/unknown")
def unknown():
    rasp.release(key(), "nowhere")  # note: release-without-acquire
    return {}


@app.get("/used")
def used():
    held = rasp.hold(key(), "used")
    held.use()
    held.use()
    rasp.release(key(), "used")
    held.use()  # expect: use-after-release
    return {}


@app.get("/nested")
def nested():
    with rasp.hold(key(), "outer"), rasp.hold(key(), "inner"):
        pass
    return {}


@app.get("/raising")
def raising():
    with rasp.hold(key(), "raising"):
        raise ValueError


if __name__ == "__main__":
    rasp.track(KEYS[0], kind="api_key")
    rasp.hold(KEYS[0], "shared")
    client = app.test_client()
    for path in ("release", "twice", "unknown", "used", "nested", "raising"):
        client.get(f"/{path}", headers={"X-API-Key": KEYS[0]}).get_data()
    assert {f.rule: f.severity.word for f in rasp.findings()} == {
        "double-release": "error",
        "release-without-acquire": "note",
        "use-after-release": "error",
    }
