"""functools.lru_cache and cache: told of once, and in all else as they were."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import pickle
import sys
from types import FunctionType

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app, states
from flask import request
from support.made_up import api_key
from support.web import call

HEADERS = {"X-API-Key": KEY}


class TestLruCache(InstrumentContract):
    name = "functools"
    holder = "functools.lru_cache"
    hooks = ("lru_cache.miss", "lru_cache.decorate")
    clean = ()
    defective = ("acquire",)
    finding = ("raw-token-as-key", "warning", "defect")

    def subject(self, folder):
        app, kept = flask_app(), []

        @functools.lru_cache(maxsize=32)
        def user_of(token, *, tenant=1):
            return {"user": "ann"} if token else None

        @app.get("/clean")
        def clean():
            kept.append((user_of("ann"), user_of("ann"), user_of(token="bob", tenant=2), user_of.cache_info()))
            return {"cleared": user_of.cache_clear()}

        @app.get("/defect")
        def defect():
            return user_of(request.headers["X-API-Key"])

        return Subject(app, lambda: kept)

    def raises(self, subject):
        with pytest.raises(TypeError) as caught:
            functools.lru_cache(maxsize="no number")
        return None, caught.value

    def test_a_library_that_is_not_there_is_waited_for(self):
        """It is always there."""
        assert [state[self.name] for state in states()] == ["installed"] * 2


def decorated():
    """A function of the app's in each way to decorate."""

    class Users:
        @functools.lru_cache  # noqa: B019
        def of(self, token, tenant=1):
            """Whose token it is."""
            return token

        @staticmethod
        @functools.cache
        def every(token):
            return token

        @classmethod
        @functools.lru_cache(None, typed=True)
        def typed(cls, token):
            return token

    return Users


def described():
    users = decorated()
    shown = []
    for name in ("of", "every", "typed"):
        bound = getattr(users(), name)
        cached = getattr(bound, "__func__", bound)
        results = [bound(value) for value in ("a", "a", 1, 1.0, True)]
        own = {key for key in vars(cached) if key not in ("__wrapped__", "cache_parameters")}
        shown.append(
            (
                type(cached).__qualname__, results, cached.cache_info(), cached.cache_parameters(), cached.__name__,
                cached.__qualname__, cached.__module__, cached.__doc__, str(inspect.signature(cached)), own,
                cached.__wrapped__.__code__.co_name, type(cached.__wrapped__), copy.copy(cached) is cached,
                inspect.unwrap(cached) is cached.__wrapped__, hasattr(cached, "__defaults__"),
                inspect.getsourcelines(cached)[1],
            )
        )  # fmt: skip
        with pytest.raises(TypeError, match="unhashable"):
            bound([])
    return shown


def test_what_is_decorated_under_rasp_is_as_without(install_rasp):
    bare = described()
    install_rasp()
    assert described() == bare


@functools.lru_cache
def of_module(token):
    return token


def test_it_pickles_by_name(install_rasp):
    install_rasp()
    global of_module  # noqa: PLW0603 - it is decorated anew, under rasp
    before, of_module = of_module, functools.lru_cache(of_module.__wrapped__)
    try:
        assert pickle.loads(pickle.dumps(of_module)) is of_module
    finally:
        of_module = before


def test_each_credential_is_told_of_once_a_function(install_rasp):
    installed, app = install_rasp(record=True), flask_app()

    @functools.cache
    def first(token):
        return 1

    @functools.lru_cache(1)
    def second(token):
        return 2

    @app.get("/")
    def view():
        for _ in range(3):
            first(request.headers["X-API-Key"])
            second(request.headers["X-API-Key"])
            second("other")
        return "ok"

    for _ in range(2):
        assert call(app, "/", HEADERS).status == "200 OK"
    assert [holder for _, holder in installed.seen("functools.lru_cache")] == ["functools.lru_cache"] * 2
    assert {rule for rule, _, _ in installed.judged()} == {"raw-token-as-key"}


def test_what_is_no_callers_credential_may_be_an_argument(install_rasp):
    installed, app = install_rasp(), flask_app(SECRET_KEY=api_key("service"))

    @functools.lru_cache
    def client_of(key, *more):
        return 1

    @functools.lru_cache(maxsize=0)
    def keeps_nothing(key):
        return 1

    @app.get("/")
    def view():
        client_of(app.secret_key)
        client_of(KEY[:10], b"\xff" * 20, None, 7, "ü" * 30)
        keeps_nothing(KEY)
        return "ok"

    assert call(app, "/", HEADERS).status == "200 OK"
    assert installed.findings == []


def test_a_function_that_calls_itself_recurses_as_deep_as_ever(install_rasp):
    install_rasp()

    @functools.cache
    def depth(left):
        return depth(left - 1) + 1 if left else 0

    @functools.cache
    def longest(left):
        return max(longest(shorter) for shorter in range(left - 1, left)) + 1 if left else 0

    @functools.cache
    def once(left):
        return max([longest(left)])

    assert depth.__wrapped__.__name__ == "depth"
    frame, used = sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1
    assert depth((sys.getrecursionlimit() - used) // 2 - 20) > 100
    for function in (depth, longest):
        assert called_by(function) == function.__name__
    assert called_by(once) != "once"


def called_by(cached):
    """The function that the cache calls."""
    return next(part for part in gc.get_referents(cached) if isinstance(part, FunctionType)).__code__.co_name


def test_a_function_that_raises_makes_no_entry(install_rasp):
    installed, app = install_rasp(), flask_app()

    @functools.cache
    def refuse(token):
        raise ValueError("refused")

    @app.get("/")
    def view():
        with pytest.raises(ValueError, match="refused"):
            refuse(request.headers["X-API-Key"])
        return "ok"

    assert call(app, "/", HEADERS).status == "200 OK"
    assert installed.findings == []
