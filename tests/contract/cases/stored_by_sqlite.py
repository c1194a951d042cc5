"""A presented key in VALUES and SET of sqlite3 statements; what is looked up is a note, a digest is nothing."""

import hashlib
import sqlite3

from flask import Flask, request

KEY = "sq7Jk2Lm9Qw4Er6Ty8Ui3Zx1"
SECRETS = [KEY]

app = Flask(__name__)
database = sqlite3.connect(":memory:", check_same_thread=False)
database.executescript("CREATE TABLE api_keys (owner TEXT, secret TEXT, digest TEXT); CREATE TABLE audit (line TEXT);")


def presented():
    return request.headers["X-API-Key"]


def digest():
    return hashlib.sha256(presented().encode()).hexdigest()


@app.get("/insert")
def insert():
    with database:
        given = ("ann", presented())
        database.execute("INSERT INTO api_keys (owner, secret) VALUES (?, ?)", given)  # expect: raw-token-stored
    return "ok"


@app.get("/update")
def update():
    cursor = database.cursor()
    names = {"owner": "ann", "key": presented()}
    cursor.execute("UPDATE api_keys SET secret = :key WHERE owner = :owner", names)  # expect: raw-token-stored
    return "ok"


@app.get("/text")
def text():
    database.execute(f"INSERT INTO audit VALUES ('called with {presented()}')")  # expect: raw-token-stored
    return "ok"


@app.get("/rows")
def rows():
    lines = [("first",), (f"Bearer {presented()}",)]
    database.executemany("INSERT INTO audit VALUES (?)", lines)  # expect: raw-token-stored
    return "ok"


@app.get("/look_up")
def look_up():
    given = (presented(),)
    found = database.execute("SELECT owner FROM api_keys WHERE secret = ?", given).fetchone()  # note: raw-token-stored
    return {"owner": found and found[0]}


@app.get("/odd")
def odd():
    try:
        database.execute("INSERT INTO audit VALUES ('not closed, ?)", (presented(),))  # note: raw-token-stored
    except sqlite3.Error:
        return "ok"


@app.get("/enrol")
def enrol():
    with database:
        database.execute("INSERT INTO api_keys (owner, digest) VALUES (?, ?)", ("bob", digest()))
        database.execute("INSERT INTO audit VALUES (?)", (f"{presented()[:6]}… was enrolled",))
    return "ok"


@app.get("/checked")
def checked():
    return {"owner": database.execute("SELECT owner FROM api_keys WHERE digest = ?", (digest(),)).fetchone()[0]}


if __name__ == "__main__":
    for path in ("insert", "update", "text", "rows", "look_up", "odd", "enrol", "checked"):
        assert app.test_client().get(f"/{path}", headers={"X-API-Key": KEY}).status_code == 200, path
