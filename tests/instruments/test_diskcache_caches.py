"""diskcache: one cache, shards of it, and what is built on it; its values are on disk."""

from __future__ import annotations

import hashlib

import diskcache
import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from support.web import call

HEADERS = {"X-API-Key": KEY}
SLOT = "claims:" + hashlib.sha256(KEY.encode()).hexdigest()


class TestDiskcache(InstrumentContract):
    name = holder = "diskcache"
    hooks = tuple(
        f"diskcache.{work}" for work in ("store", "read", "miss", "pop", "remove", "absent", "clear", "values")
    )
    paths = ("/clean", "/defect", "/all")
    clean = ("acquire", "use", "use", "use", "release")
    defective = ("acquire",)
    finding = ("raw-token-as-key", "warning", "defect")

    def make(self, folder):
        return diskcache.Cache(str(folder / "cache"))

    def subject(self, folder):
        app, kept = flask_app(), []
        cache = self.make(folder)

        @app.get("/clean")
        def clean():
            kept.append((cache.set(SLOT, {"user": "ann"}, expire=60), cache.get(SLOT), cache[SLOT], SLOT in cache))
            cache["plain"] = 1
            kept.append((cache.get("plain"), cache.get("missing", 3), cache.delete("missing"), cache.delete("plain")))
            return {"gone": cache.delete(SLOT)}

        @app.get("/defect")
        def defect():
            cache[request.headers["X-API-Key"]] = "ann"
            kept.append(len(cache))
            return {"ok": True}

        @app.get("/all")
        def everything():
            kept.append((cache.add(SLOT, 1), cache.add(SLOT, 2), cache.incr(SLOT), cache.touch(SLOT, 60)))
            kept.append((cache.pop(SLOT), cache.pop(SLOT, 7), cache.get(SLOT, expire_time=True, tag=True)))
            for wrong in (lambda: cache[SLOT], lambda: cache.__delitem__(SLOT)):
                with pytest.raises(KeyError) as caught:
                    wrong()
                kept.append(caught.value.args)
            return {"cleared": cache.clear()}

        return Subject(app, lambda: kept, cache.close)

    def raises(self, subject):
        cache = subject.app.view_functions["clean"].__closure__[0].cell_contents
        with pytest.raises(TypeError) as caught:
            cache.get()
        return None, caught.value

    def judged(self, installed, view):
        app = flask_app()
        app.get("/")(view)
        assert call(app, "/", HEADERS).status == "200 OK"
        return installed.judged()

    def test_an_item_deleted_twice_is_an_error_unless_it_is_expected(self, install_rasp, tmp_path):
        installed, cache = install_rasp(), self.make(tmp_path)

        def view():
            cache[SLOT] = 1
            del cache[SLOT]
            try:
                del cache[SLOT]
            except KeyError:
                pass
            return again()

        def again():
            with pytest.raises(KeyError):
                del cache[SLOT]
            return "ok"

        assert self.judged(installed, view) == [
            ("double-release", "warning", "view"),
            ("double-release", "error", "again"),
        ]
        cache.close()

    def test_a_callers_key_as_a_value_is_found(self, install_rasp, tmp_path):
        installed, cache = install_rasp(), self.make(tmp_path)

        def view():
            cache.set("user", {"token": request.headers["X-API-Key"]})
            return "ok"

        assert self.judged(installed, view) == [("raw-token-stored", "warning", "view")]
        cache.close()

    def test_a_memoized_function_stores_its_arguments(self, install_rasp, tmp_path):
        installed, cache = install_rasp(), self.make(tmp_path)

        @cache.memoize()
        def user_of(token):
            return "ann"

        def view():
            return user_of(request.headers["X-API-Key"]) + user_of(request.headers["X-API-Key"])

        assert self.judged(installed, view) == [("raw-token-as-key", "warning", "view")]
        cache.close()


class TestFanoutCache(TestDiskcache):
    def make(self, folder):
        return diskcache.FanoutCache(str(folder / "cache"), shards=2)
