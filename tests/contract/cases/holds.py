"""The app's own holder: released twice, used afterwards, never released; and all of it done right."""

from flask import Flask, request

import rasp

KEY = "hl7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


@app.get("/twice")
def twice():
    key = request.headers["X-API-Key"]
    rasp.hold(key, "pool")
    rasp.release(key, "pool")
    rasp.release(key, "pool")  # expect: double-release
    return {}


@app.get("/used")
def used():
    key = request.headers["X-API-Key"]
    with rasp.hold(key, "pool") as held:
        held.use()
    held.use()  # expect: use-after-release
    return {}


@app.get("/left")
def left():
    rasp.hold(request.headers["X-API-Key"], "left")  # expect: never-released
    return {}


@app.get("/fine")
def fine():
    key = request.headers["X-API-Key"]
    with rasp.hold(key, "pool"):
        pass
    with rasp.hold(key, "pool"):
        pass
    rasp.hold(key, "a")
    rasp.hold(key, "b")
    rasp.release(key, "a")
    rasp.release(key, "b")
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("twice", "used", "left", "fine"):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).data
