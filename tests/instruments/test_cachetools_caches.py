"""cachetools: every class, its decorators, deletes that raise and those that do not; eviction is no release."""

from __future__ import annotations

import hashlib
import threading

import cachetools
import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from support.web import call

HEADERS = {"X-API-Key": KEY}
SLOT = "claims:" + hashlib.sha256(KEY.encode()).hexdigest()


class TestCache(InstrumentContract):
    name = "cachetools"
    holder = "cachetools.cache"
    hooks = tuple(
        f"cachetools.{work}"
        for work in ("store", "read", "miss", "has", "remove", "absent", "get", "pop", "setdefault", "clear")
    )
    paths = ("/clean", "/defect", "/all")
    clean = ("acquire", "use", "use", "use", "release")
    defective = ("acquire",)
    finding = ("raw-token-as-key", "warning", "defect")

    def make(self):
        return cachetools.Cache(16)

    def subject(self, folder):
        app, kept = flask_app(), []
        cache = self.make()

        @app.get("/clean")
        def clean():
            cache[SLOT] = {"user": "ann"}
            kept.append((cache[SLOT], cache.get(SLOT), SLOT in cache, len(cache)))
            cache["plain"] = 1
            kept.append((cache.pop("plain"), cache.pop("plain", 7), cache.get("missing", 5)))
            del cache[SLOT]
            return {"left": len(cache)}

        @app.get("/defect")
        def defect():
            cache[request.headers["X-API-Key"]] = "ann"
            kept.append(len(cache))
            return {"ok": True}

        @app.get("/all")
        def everything():
            kept.append((cache.setdefault(SLOT, [1]), cache.setdefault(SLOT, [2]), cache.get(SLOT, default=3)))
            kept.append((cache.pop(SLOT, default=None), cache.pop(key="x", default=4), cache.get(key="x")))
            cache.update({SLOT: 1, "b": 2})
            kept.append((cache.clear(), sorted(cache), "b" in cache))
            for wrong in (lambda: cache[SLOT], lambda: cache.pop(SLOT), lambda: cache.__delitem__(SLOT)):
                with pytest.raises(KeyError) as caught:
                    wrong()
                kept.append(caught.value.args)
            cache["a"] = 1
            return {"item": cache.popitem()}

        return Subject(app, lambda: kept)

    def raises(self, subject):
        with pytest.raises(TypeError) as caught:
            self.make().get("a", 1, 2)
        return None, caught.value

    def judged(self, installed, view):
        app = flask_app()
        app.get("/")(view)
        assert call(app, "/", HEADERS).status == "200 OK"
        return installed.judged()

    def test_a_second_delete_that_raises_is_an_error(self, install_rasp):
        installed, cache = install_rasp(), self.make()

        def view():
            cache[SLOT] = 1
            cache.pop(SLOT)
            quietly(delete)
            quietly(pop)
            return "ok"

        def delete():
            del cache[SLOT]

        def pop():
            cache.pop(SLOT)

        assert self.judged(installed, view) == [("double-release", "error", function) for function in ("delete", "pop")]

    def test_one_that_is_expected_is_a_warning(self, install_rasp):
        installed, cache = install_rasp(), self.make()

        def view():
            cache[SLOT] = 1
            del cache[SLOT]
            try:
                del cache[SLOT]
            except KeyError:
                return "ok"
            return "never"

        assert self.judged(installed, view) == [("double-release", "warning", "view")]

    def test_pop_with_a_default_is_a_warning_from_elsewhere(self, install_rasp):
        installed, cache = install_rasp(), self.make()

        def view():
            cache[SLOT] = 1
            cache.pop(SLOT, None)
            return again()

        def again():
            cache.pop(SLOT, None)
            return "ok"

        assert self.judged(installed, view) == [("double-release", "warning", "again")]

    def test_what_ended_by_itself_was_not_released(self, install_rasp):
        installed, cache = install_rasp(), self.make()

        def view():
            cache[SLOT] = 1
            cache.clear()
            cache.pop(SLOT, None)
            cache[SLOT] = 1
            while SLOT in cache:
                cache.popitem()
            cache.pop(SLOT, None)
            cache[SLOT] = 1
            del cache[SLOT]
            cache[SLOT] = 2
            return str(cache.pop(SLOT))

        assert self.judged(installed, view) == []

    def test_a_decorated_function_stores_its_arguments(self, install_rasp):
        installed, cache = install_rasp(record=True), self.make()

        @cachetools.cached(cache, lock=threading.Lock())
        def user_of(tenant, token):
            return {"user": "ann", "tenant": tenant}

        @cachetools.cached(cache)
        def by_digest(digest):
            return "ann"

        def view():
            by_digest(SLOT)
            by_digest(SLOT)
            for _ in range(2):
                user_of(7, request.headers["X-API-Key"])
            return "ok"

        assert self.judged(installed, view) == [("raw-token-as-key", "warning", "view")]
        actions = [action for action, _ in installed.seen(self.holder)]
        assert actions.count("acquire") == 2


class TestFIFOCache(TestCache):
    holder = "cachetools.fifo"

    def make(self):
        return cachetools.FIFOCache(16)


class TestLFUCache(TestCache):
    holder = "cachetools.lfu"

    def make(self):
        return cachetools.LFUCache(16, getsizeof=lambda value: 1)


class TestLRUCache(TestCache):
    holder = "cachetools.lru"

    def make(self):
        return cachetools.LRUCache(16)


class TestRRCache(TestCache):
    holder = "cachetools.rr"

    def make(self):
        return cachetools.RRCache(16, choice=min)


class TestTTLCache(TestCache):
    holder = "cachetools.ttl"

    def make(self):
        return cachetools.TTLCache(16, 60)


class TestTLRUCache(TestCache):
    holder = "cachetools.tlru"

    def make(self):
        return cachetools.TLRUCache(16, ttu=lambda key, value, now: now + 60)


def quietly(function):
    """What a caller of the app's own does with errors."""
    with pytest.raises(KeyError):
        function()


def test_expiry_is_no_release(install_rasp):
    installed, now = install_rasp(record=True), [0.0]
    cache, app = cachetools.TTLCache(2, ttl=10, timer=lambda: now[0]), flask_app()

    @app.get("/")
    def view():
        cache[SLOT] = 1
        now[0] += 11
        assert SLOT not in cache
        cache.pop(SLOT, None)
        cache[SLOT] = 1
        cache["a"], cache["b"] = 1, 2
        cache.pop(SLOT, None)
        return "ok"

    assert call(app, "/", HEADERS).status == "200 OK"
    assert installed.findings == []


def test_two_caches_are_two_holders(install_rasp):
    installed, app = install_rasp(), flask_app()

    @app.get("/")
    def view():
        for cache in (cachetools.LRUCache(4), cachetools.LRUCache(4)):
            cache[SLOT] = 1
            del cache[SLOT]
        return "ok"

    call(app, "/", HEADERS)
    assert installed.findings == []


def test_another_request_takes_what_the_first_one_stored(install_rasp):
    installed, app = install_rasp(), flask_app()
    cache = cachetools.TTLCache(4, 60)

    @app.get("/first")
    def first():
        cache[SLOT] = 1
        inner = threading.Thread(target=call, args=(app, "/second", HEADERS))
        inner.start()
        inner.join()
        return {"there": cache.get(SLOT)}

    @app.get("/second")
    def second():
        return {"gone": cache.pop(SLOT, None)}

    call(app, "/first", HEADERS)
    assert installed.judged() == [("concurrent-reuse", "error", "first")]
