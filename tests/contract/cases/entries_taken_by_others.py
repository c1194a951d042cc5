"""An entry that another request in flight takes away: a note there, the error where its owner comes back for it."""

import hashlib
import threading

from cachelib import SimpleCache
from flask import Flask, request

KEY = "et7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]
QUIET = ["double-release"]

app = Flask(__name__)
cache = SimpleCache()


def slot(name):
    return f"{name}:" + hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()


def beside(path):
    """Another request, from its beginning to its end, while this one is in flight."""
    thread = threading.Thread(target=get, args=(path,))
    thread.start()
    thread.join(30)


def get(path):
    app.test_client().get(path, headers={"X-API-Key": KEY}).get_data()


@app.get("/take/<name>")
def take(name):
    cache.delete(slot(name))  # note: concurrent-reuse
    return {}


@app.get("/take_many")
def take_many():
    cache.delete_many(slot("many"), slot("more"))  # note: concurrent-reuse
    return {}


@app.get("/clear")
def clear():
    cache.clear()
    return {}


@app.get("/reader")
def reader():
    cache.set(slot("reader"), 1)
    beside("/take/reader")
    cache.get(slot("reader"))  # expect: concurrent-reuse
    cache.get(slot("reader"))
    return {}


@app.get("/releaser")
def releaser():
    cache.set(slot("releaser"), 1)
    beside("/take/releaser")
    cache.delete(slot("releaser"))  # expect: concurrent-reuse
    return {}


@app.get("/one_of_many")
def one_of_many():
    cache.set(slot("many"), 1)
    beside("/take_many")
    cache.has(slot("many"))  # expect: concurrent-reuse
    return {}


@app.get("/fine/goes_on_without_it")
def goes_on_without_it():
    cache.set(slot("left"), 1)
    beside("/take/left")
    return {}


@app.get("/fine/stores_again")
def stores_again():
    cache.set(slot("again"), 1)
    beside("/take/again")
    cache.set(slot("again"), 1)
    cache.get(slot("again"))
    cache.delete(slot("again"))
    return {}


@app.get("/fine/cleared")
def cleared():
    cache.set(slot("cleared"), 1)
    beside("/clear")
    cache.get(slot("cleared"))
    cache.delete(slot("cleared"))
    return {}


@app.get("/fine/only_read")
def only_read():
    """Whoever only reads does not own."""
    cache.get(slot("read"))
    beside("/take/read")
    cache.get(slot("read"))
    return {}


@app.get("/fine/done_before")
def done_before():
    cache.set(slot("done"), 1)
    cache.delete(slot("done"))
    beside("/take/done")
    cache.get(slot("done"))
    return {}


if __name__ == "__main__":
    get("/take/nothing")
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in ("static", "take", "take_many", "clear"):
            get(rule.rule)
