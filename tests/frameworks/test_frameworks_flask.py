"""Everything that Flask offers to write views with: a defect is found at the app's own line in each."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from flask import (
    Blueprint,
    Flask,
    after_this_request,
    copy_current_request_context,
    g,
    redirect,
    request,
    stream_with_context,
    url_for,
)
from flask.views import MethodView, View
from support.made_up import api_key
from support.web import call

log = logging.getLogger("views")
KEY = api_key("views")
HEADERS = {"X-API-Key": KEY}


def log_it():
    log.warning("logged %s", request.headers["X-API-Key"])
    return "fine"


def away():
    return redirect("/elsewhere?api_key=" + request.headers["X-API-Key"])


class Thing(View):
    init_every_request = False

    def __init__(self, name):
        self.name = name

    def dispatch_request(self):
        log.warning("logged %s", request.headers["X-API-Key"])
        return self.name


def undecorated(view):
    """A decorator that hides what it wraps."""

    def wrapper(*args, **kwargs):
        return view(*args, **kwargs)

    return wrapper


class Things(MethodView):
    decorators = (undecorated,)

    def get(self):
        log.warning("logged %s", request.headers["X-API-Key"])
        return "got"

    def post(self):
        return redirect("/elsewhere?api_key=" + request.headers["X-API-Key"])


class Moved(MethodView):
    def get(self):
        return redirect("/elsewhere?api_key=" + request.headers["X-API-Key"])


async def awaited():
    await asyncio.sleep(0)
    log.warning("logged %s", request.headers["X-API-Key"])
    return "awaited"


def streamed():
    def produce():
        yield "one"
        log.warning("logged %s", request.headers["X-API-Key"])
        yield "two"

    return Flask.response_class(stream_with_context(produce()))


def threaded():
    @copy_current_request_context
    def work():
        log.warning("logged %s", request.headers["X-API-Key"])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return "threaded"


def afterwards():
    @after_this_request
    def added(response):
        log.warning("logged %s", request.headers["X-API-Key"])
        return response

    return "afterwards"


def refused():
    raise LookupError("refused")


def clean():
    g.key = request.headers["X-API-Key"]
    return url_for(".clean", _external=True)


def made():
    """An app made by a factory, of nested blueprints, with views of every kind."""
    app = Flask(__name__)
    outer, inner = Blueprint("outer", __name__, url_prefix="/outer"), Blueprint("inner", __name__, url_prefix="/inner")
    for view in (log_it, away, awaited, streamed, threaded, afterwards, refused, clean):
        inner.add_url_rule(f"/{view.__name__}", view_func=view)
    inner.add_url_rule("/thing", view_func=Thing.as_view("thing", "a thing"))
    inner.add_url_rule("/things", view_func=Things.as_view("things"))
    inner.add_url_rule("/moved", view_func=Moved.as_view("moved"))

    @inner.errorhandler(LookupError)
    def handled(error):
        log.warning("logged %s", request.headers["X-API-Key"])
        return "handled", 418

    outer.register_blueprint(inner)
    outer.register_blueprint(inner, name="again", url_prefix="/again")
    app.register_blueprint(outer)

    @app.teardown_request
    def forget(error):
        g.pop("key", None)

    return app


FOUND = {
    # path: rule, function, what the caller gets
    "/outer/inner/log_it": ("raw-token-logged", "log_it", "200"),
    "/outer/again/log_it": ("raw-token-logged", "log_it", "200"),
    "/outer/inner/away": ("raw-token-in-url", "away", "30"),
    "/outer/inner/thing": ("raw-token-logged", "dispatch_request", "200"),
    "/outer/inner/things": ("raw-token-logged", "get", "200"),
    "/outer/inner/moved": ("raw-token-in-url", "get", "30"),
    "/outer/inner/awaited": ("raw-token-logged", "awaited", "200"),
    "/outer/inner/streamed": ("raw-token-logged", "produce", "200"),
    "/outer/inner/threaded": ("raw-token-logged", "work", "200"),
    "/outer/inner/afterwards": ("raw-token-logged", "added", "200"),
    "/outer/inner/refused": ("raw-token-logged", "handled", "418"),
}


@pytest.mark.parametrize("path", FOUND)
def test_a_defect_in_each_kind_of_view(observe, path):
    rule, function, status = FOUND[path]
    answer = call(made(), path, HEADERS)
    assert answer.status.startswith(status)
    assert observe.judged() == [(rule, "error", function)]
    assert observe.findings[0].location.file == "frameworks/test_frameworks_flask.py"
    if function != "work":  # a bare thread does not know whose request it works for
        assert observe.findings[0].request.route == path


@pytest.mark.parametrize("path", ["/outer/inner/clean", "/outer/again/clean", "/nowhere"])
def test_views_without_a_defect(observe, path):
    app = made()
    for _ in range(2):
        call(app, path, HEADERS)
    assert observe.findings == []


def test_several_apps_in_one_process_with_requests_inside_requests(observe):
    """An app that asks another one, and itself, over test clients inside a view."""
    inner, outer = made(), Flask("outer")

    @outer.get("/ask/<what>")
    def ask(what):
        g.key = request.headers["X-API-Key"]
        answer = inner.test_client().get(f"/outer/inner/{what}", headers=HEADERS)
        return {"status": answer.status_code, "kept": g.key == KEY}

    assert call(outer, "/ask/clean", HEADERS).body == b'{"kept":true,"status":200}\n'
    assert observe.judged() == []
    assert call(outer, "/ask/log_it", HEADERS).status == "200 OK"
    assert observe.judged() == [("raw-token-logged", "error", "log_it")]
