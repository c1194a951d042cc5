"""Fine: any store opens a new epoch, only epochs with a credential are judged, and clearing is no release."""

from flask import Flask, current_app, g, request

KEY = "gf7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]
QUIET = ["double-release", "release-without-acquire", "never-released"]

app = Flask(__name__)


@app.get("/empty_epoch")
def empty_epoch():
    g.key = request.headers["X-API-Key"]
    g.key = None
    g.pop("key")
    g.pop("key", None)
    return {}


@app.get("/never_set")
def never_set():
    g.pop("key", None)
    g.pop("key", None)
    g.key = request.headers["X-API-Key"]
    return {}


@app.get("/stored_again")
def stored_again():
    for _ in range(3):
        g.key = request.headers["X-API-Key"]
        del g.key
    g.key = "nothing"
    del g.key
    return {}


@app.get("/inner_context")
def inner_context():
    g.key = request.headers["X-API-Key"]
    with current_app._get_current_object().app_context():
        g.key = request.headers["X-API-Key"]
        del g.key
    del g.key
    return {}


@app.get("/ended_with_its_context")
def ended():
    with current_app._get_current_object().app_context():
        g.key = request.headers["X-API-Key"]
    g.pop("key", None)
    return {}


@app.get("/looked_first")
def looked_first():
    g.key = request.headers["X-API-Key"]
    del g.key
    if "key" in g:
        del g.key
    if hasattr(g, "key"):
        del g.key
    g.setdefault("key", request.headers["X-API-Key"])
    del g.key
    return {}


@app.get("/two_names")
def two_names():
    g.key = g.token = request.headers["X-API-Key"]
    del g.key
    del g.token
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            assert client.get(rule.rule, headers={"X-API-Key": KEY}).status_code == 200, rule
