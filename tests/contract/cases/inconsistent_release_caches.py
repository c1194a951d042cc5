"""An entry that the success path deletes and an error path leaves; entries that are meant to outlive their request."""

import hashlib

from cachelib import SimpleCache
from flask import Flask, abort, request

KEYS = ["ca7Jk2Lm9Qw4Er6Ty8Ui3", "cb7Jk2Lm9Qw4Er6Ty8Ui3", "cc7Jk2Lm9Qw4Er6Ty8Ui3"]
SECRETS = ["ca7Jk2Lm9Qw4Er6Ty8Ui3", "cb7Jk2Lm9Qw4Er6Ty8Ui3", "cc7Jk2Lm9Qw4Er6Ty8Ui3"]

app = Flask(__name__)
cache = SimpleCache()


def slot(kind):
    return f"{kind}:" + hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()


@app.post("/pay")
def pay():
    cache.set(slot("busy"), 1)  # note: inconsistent-release
    if "bad" in request.args:
        abort(409)
    cache.delete(slot("busy"))
    return {}


@app.post("/numbered/<int:order>")
def numbered(order):
    cache.set(f"{order}:{slot('busy')}", 1)  # note: inconsistent-release
    if "bad" in request.args:
        return {}, 400
    cache.delete(f"{order}:{slot('busy')}")
    return {}


@app.post("/fine/claims")
def fine_claims():
    cache.set(slot("claims"), {"plan": "free"}, timeout=60)
    return ({}, 403) if "bad" in request.args else {}


@app.post("/fine/cleared")
def fine_cleared():
    cache.set(slot("cleared"), 1)
    if "bad" in request.args:
        cache.clear()
        return {}, 400
    cache.delete(slot("cleared"))
    return {}


def put(kind):
    cache.set(slot(kind), 1)


@app.post("/fine/two_slots_of_one_helper")
def fine_two_slots():
    put("kept")
    put("lock")
    cache.delete(slot("lock"))
    return ({}, 400) if "bad" in request.args else {}


@app.post("/fine/of_another_request")
def fine_of_another_request():
    """The failing request finds the entry of the one before it."""
    if "bad" in request.args:
        return {}, 400
    cache.set(slot("other"), 1)
    cache.delete(slot("other"))
    return {}


if __name__ == "__main__":
    client = app.test_client()
    routes = [str(rule) for rule in app.url_map.iter_rules() if rule.endpoint != "static"]
    for route in routes:
        for at, query in enumerate(["bad=x", "good=x", "bad=x"]):
            path = route.replace("<int:order>", str(at))
            client.post(f"{path}?{query}", headers={"X-API-Key": KEYS[at]}).get_data()
