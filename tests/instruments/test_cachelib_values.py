"""cachelib's files: a caller's key as a value, whichever cache library writes it."""

from __future__ import annotations

import pytest
from cachelib import FileSystemCache, SimpleCache
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from flask_caching import Cache
from support.web import call

HEADERS = {"X-API-Key": KEY}


class TestCachelibValues(InstrumentContract):
    name = "cachelib.values"
    holder = "cachelib.file"
    hooks = ("cachelib.values",)
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-stored", "warning", "defect")

    def subject(self, folder):
        app, kept = flask_app(), []
        cache = FileSystemCache(str(folder / "cache"))

        @app.get("/clean")
        def clean():
            kept.append((cache.set("user", {"name": "ann", "key": "..."}), cache.get("user")))
            return {"gone": cache.delete("user")}

        @app.get("/defect")
        def defect():
            kept.append(cache.set("user", {"name": "ann", "key": request.headers["X-API-Key"]}))
            return {"found": cache.get("user")["name"]}

        return Subject(app, lambda: kept)

    def raises(self, subject):
        cache = subject.app.view_functions["clean"].__closure__[0].cell_contents
        with pytest.raises(TypeError) as caught:
            cache.serializer.dump()
        return None, caught.value


@pytest.mark.parametrize("work", ["set", "add"])
def test_flask_caching_over_files_is_found_once(install_rasp, tmp_path, work):
    installed, app = install_rasp(), flask_app()
    cache = Cache(app, config={"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache")})

    @app.get("/")
    def view():
        getattr(cache, work)("user", [request.headers["X-API-Key"].encode()])
        return "ok"

    assert call(app, "/", HEADERS).status == "200 OK"
    assert installed.judged() == [("raw-token-stored", "warning", "view")]


def test_values_in_memory_are_fine(install_rasp):
    installed, app, cache = install_rasp(), flask_app(), SimpleCache()

    @app.get("/")
    def view():
        cache.set("user", request.headers["X-API-Key"])
        return "ok"

    assert call(app, "/", HEADERS).status == "200 OK"
    assert installed.findings == []
