"""A session library stores under the cookie's own value: that is a note."""

import tempfile

from cachelib import FileSystemCache
from flask import Flask, session
from flask_session import Session

SECRETS = []

app = Flask(__name__)
folder = tempfile.mkdtemp()
app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=FileSystemCache(folder))
Session(app)


@app.get("/")
def index():  # note: raw-token-as-key
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"]}


if __name__ == "__main__":
    client = app.test_client()
    assert [client.get("/").json["visits"] for _ in range(3)] == [1, 2, 3]
