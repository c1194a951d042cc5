"""cachelib: each class with methods of its own, and what they inherit."""

from __future__ import annotations

from cache_contract import SLOT, CacheContract
from cachelib import FileSystemCache, NullCache, SimpleCache
from contract import KEY, flask_app
from support.web import call


class TestSimpleCache(CacheContract):
    holder = "cachelib.simple"

    def make(self, folder, app):
        return SimpleCache()


class TestFileSystemCache(CacheContract):
    holder = "cachelib.file"
    hooks = (*CacheContract.hooks, "cachelib.look")

    def make(self, folder, app):
        return FileSystemCache(str(folder / "cache"))


def test_a_cache_that_keeps_nothing_stores_nothing_under_a_raw_key(install_rasp):
    installed = install_rasp(record=True)
    cache, app = NullCache(), flask_app()

    @app.get("/")
    def view():
        return {"said": [cache.set(KEY, 1), cache.get(KEY), cache.delete(KEY)]}

    assert call(app, "/", {"X-API-Key": KEY}).body == b'{"said":[true,null,true]}\n'
    assert installed.judged() == []


class Counting(SimpleCache):
    """An app's own cache on top of cachelib's."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def get(self, key):
        self.calls += 1
        return super().get(key)


def test_an_apps_own_subclass_is_seen_once_a_call(install_rasp):
    installed = install_rasp(record=True)
    cache, app = Counting(), flask_app()

    @app.get("/")
    def view():
        cache.set(SLOT, 1)
        return {"found": [cache.get(SLOT), cache.get_many(SLOT)]}

    assert call(app, "/", {"X-API-Key": KEY}).body == b'{"found":[1,[1]]}\n'
    assert [action for action, _ in installed.seen("cachelib.simple")] == ["acquire", "use", "use"]
    assert cache.calls == 2


def test_two_caches_of_one_class_are_two_holders(install_rasp):
    installed = install_rasp()
    first, second, app = SimpleCache(), SimpleCache(), flask_app()

    @app.get("/")
    def view():
        for cache in (first, second):
            cache.set(SLOT, 1)
            cache.delete(SLOT)
        return "ok"

    call(app, "/", {"X-API-Key": KEY})
    assert installed.judged() == []


def test_two_objects_on_one_folder_are_one_cache(install_rasp, tmp_path):
    installed = install_rasp()
    app = flask_app()

    @app.get("/")
    def view():
        first, second = (FileSystemCache(str(tmp_path / "cache")) for _ in range(2))
        first.set(SLOT, 1)
        return {"gone": [first.delete(SLOT), again(second)]}

    def again(cache):
        return cache.delete(SLOT)

    call(app, "/", {"X-API-Key": KEY})
    assert installed.judged() == [("double-release", "warning", "again")]
