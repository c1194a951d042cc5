"""The gradings of a second release on `g`: certain, another path, the same path."""

from flask import Flask, g, request

import rasp

KEY = "gs7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


@app.before_request
def load():
    g.key = request.headers["X-API-Key"]


@app.get("/raising_pop")
def raising_pop():
    g.pop("key")
    g.pop("key")  # expect: double-release


@app.get("/deleted")
def deleted():
    g.pop("key", None)
    del g.key  # expect: double-release


@app.get("/other_path")
def other_path():
    del g.key
    g.pop("key", None)  # expect: double-release
    return {}


@app.get("/same_path")
def same_path():
    for _ in range(3):
        g.pop("key", None)  # note: double-release
    return {}


@app.get("/through_dict")
def through_dict():
    vars(g).pop("key")
    vars(g).pop("key", None)  # expect: double-release
    return {}


@app.errorhandler(Exception)
def handled(error):
    return {}, 500


if __name__ == "__main__":
    client = app.test_client()
    for path in ("raising_pop", "deleted", "other_path", "same_path", "through_dict"):
        client.get(f"/{path}", headers={"X-API-Key": KEY}).get_data()
    found = {f.location.function: f.severity.word for f in rasp.findings() if f.rule == "double-release"}
    severities = {"raising_pop": "error", "deleted": "error", "other_path": "warning", "same_path": "note"}
    assert found == {**severities, "through_dict": "warning"}, found
