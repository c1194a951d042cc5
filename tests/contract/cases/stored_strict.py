"""In strict mode nothing is written: the exception comes before the statement, the file and the process."""

import os
import sqlite3
from pathlib import Path

from flask import Flask, request

import rasp

KEY = "st7Jk2Lm9Qw4Er6Ty8Ui3Zx1"
SECRETS = [KEY]
MODE = "strict"

app = Flask(__name__)
database = sqlite3.connect(":memory:")
database.execute("CREATE TABLE keys (secret TEXT)")


@app.get("/")
def view():
    key = request.headers["X-API-Key"]
    ways = {
        rasp.RawTokenStored: [
            lambda: database.execute("INSERT INTO keys VALUES (?)", (key,)),  # expect: raw-token-stored
            lambda: Path("key.txt").write_text(key),  # expect: raw-token-stored
        ],
        rasp.RawTokenInProcessArgs: [
            lambda: os.system(f"echo {key} > made.txt"),  # expect: raw-token-in-process-args
        ],
    }
    for violation, calls in ways.items():
        for call in calls:
            try:
                call()
            except violation:
                continue
            return "not raised", 500
    database.execute("SELECT * FROM keys WHERE secret = ?", (key,))  # note: raw-token-stored
    return "ok"


if __name__ == "__main__":
    try:
        app.test_client().get("/", headers={"X-API-Key": KEY})
    except rasp.RaspViolation:
        pass  # raised again when the request ends, since the view swallowed it
    assert database.execute("SELECT count(*) FROM keys").fetchone() == (0,)
    assert not Path("made.txt").exists()
    assert Path("key.txt").read_text() == ""
