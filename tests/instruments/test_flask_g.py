"""flask.g: what is stored on it, deleted and popped."""

from __future__ import annotations

import copy

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import Flask, g, request, stream_with_context
from support.web import call


class TestFlaskG(InstrumentContract):
    name = "flask.g"
    hooks = ("flask.g.create", "flask.g.set", "flask.g.remove")
    holder = "flask.g"
    clean = ("acquire", "release")
    defective = ("acquire", "release", "release")
    finding = ("double-release", "warning", "forget")

    def subject(self, folder):
        app = flask_app()
        kept = []

        @app.get("/clean")
        def clean():
            g.api_key = request.headers["X-API-Key"]
            g.user, g.count = "ann", 3
            kept.append((g.get("api_key") == KEY, "api_key" in g, sorted(g), vars(g) == dict(vars(g)), repr(g)[:10]))
            return {"gone": g.pop("api_key") == KEY, "left": sorted(g), "default": g.pop("count", "none")}

        @app.get("/defect")
        def defect():
            g.api_key = request.headers["X-API-Key"]
            return {"gone": g.pop("api_key", None) == KEY}

        @app.get("/raises")
        def raises():
            del g.never_there

        @app.teardown_request
        def forget(error):
            if request.path == "/defect":
                g.pop("api_key", None)

        return Subject(app, lambda: kept)

    def raises(self, subject):
        with pytest.raises(AttributeError) as caught:
            self.call(subject, "/raises")
        return None, caught.value


@pytest.fixture
def app():
    return flask_app()


def view(app, function):
    app.add_url_rule("/", "view", function)
    return call(app, "/", {"X-API-Key": KEY})


def stored():
    g.api_key = request.headers["X-API-Key"]


@pytest.mark.parametrize("way", ["attribute", "setdefault", "vars", "update", "setitem"])
def test_every_way_to_store_is_seen(install_rasp, app, way):
    installed = install_rasp(record=True)

    def use():
        value = request.headers["X-API-Key"]
        if way == "attribute":
            g.api_key = value
        elif way == "setdefault":
            assert g.setdefault("api_key", value) == value
            assert g.setdefault("api_key", "other") == value
        elif way == "vars":
            vars(g)["api_key"] = value
        elif way == "update":
            vars(g).update(api_key=value)
        else:
            setattr(g, "api" + "_key", value)
        return "ok"

    view(app, use)
    assert installed.seen("flask.g") == [("acquire", "flask.g")]


@pytest.mark.parametrize("way", ["del", "pop", "vars"])
def test_a_removal_that_raises_the_second_time_is_an_error(install_rasp, app, way):
    installed = install_rasp()

    def use():
        stored()
        for _ in range(2):
            if way == "del":
                del g.api_key
            elif way == "pop":
                g.pop("api_key")
            else:
                del vars(g)["api_key"]
        return "ok"

    with pytest.raises((AttributeError, KeyError)) as caught:
        view(app, use)
    assert caught.value.args == ("api_key",)
    assert installed.judged() == [("double-release", "error", "use")]


def test_a_guarded_delete_is_as_the_idempotent_form(install_rasp, app):
    installed = install_rasp()

    def use():
        stored()
        del g.api_key
        try:
            del g.api_key
        except AttributeError:
            pass
        return "ok"

    view(app, use)
    assert installed.judged() == [("double-release", "warning", "use")]


def test_a_new_store_opens_a_new_epoch(install_rasp, app):
    installed = install_rasp()

    def use():
        for _ in range(3):
            stored()
            del g.api_key
        return "ok"

    view(app, use)
    assert installed.judged() == []


def test_what_holds_no_credential_is_nobodys_business(install_rasp, app):
    installed = install_rasp(record=True)

    def use():
        g.user = "ann"
        g.pop("user")
        g.pop("user", None)
        return "ok"

    view(app, use)
    assert (installed.findings, installed.seen("flask.g")) == ([], [])


def test_a_streamed_response_runs_teardown_again_on_the_same_path(install_rasp, app):
    installed = install_rasp()
    app.teardown_request(lambda error: g.pop("api_key", None))

    def use():
        stored()
        return app.response_class(stream_with_context(iter(["a", "b"])))

    assert view(app, use).body == b"ab"
    assert installed.judged() == []
    assert [(found.rule, found.severity.word) for found in installed.findings] in ([], [("double-release", "note")])


def test_g_copies_and_compares_as_ever(install_rasp, app):
    install_rasp()

    def use():
        stored()
        g.numbers = [1]
        copied = copy.copy(vars(g))
        deep = copy.deepcopy(vars(g))
        assert type(copied) is type(deep) is dict
        assert copied == deep == vars(g)
        assert deep["numbers"] is not g.numbers
        assert {**vars(g)} == copied
        assert vars(g).popitem() == ("numbers", [1])
        vars(g).clear()
        assert list(g) == []
        return "ok"

    assert view(app, use).body == b"ok"


def test_a_g_class_with_slots_is_left_alone(install_rasp):
    class Slotted:
        __slots__ = ("api_key",)

    class SlottedFlask(Flask):
        app_ctx_globals_class = Slotted

    installed = install_rasp()

    def use():
        stored()
        del g.api_key
        return "ok"

    assert view(SlottedFlask("slotted"), use).body == b"ok"
    assert installed.findings == []


class Unhashable(type):
    def __eq__(cls, other):
        return NotImplemented

    __hash__ = None


class OfOddClass(metaclass=Unhashable):
    pass


class Unbound:
    @property
    def __class__(self):
        raise RuntimeError("outside of its context")


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("kind", [OfOddClass, Unbound], ids=["unhashable class", "unbound proxy"])
def test_what_a_view_stores_need_not_be_hashable_nor_tell_its_class(install_rasp, kind, native):
    installed = install_rasp()
    if native:
        installed.runtime.ledger.native.carriers.add(complex)
    value = kind()
    with Flask("odd").app_context():
        g.odd = value
        assert g.pop("odd") is value
    assert installed.guard.failures == {}
