"""A caller's key as a value: in files and in a database it is found, in memory it is not."""

import hashlib
import tempfile

import diskcache
from cachelib import FileSystemCache, SimpleCache
from django.conf import settings
from flask import Flask, request

KEY = "vd7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

folder = tempfile.mkdtemp()
settings.configure(
    CACHES={
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache_entries"},
        "memory": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "memory"},
    },
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/cache.sqlite3"}},
    USE_TZ=True,
)

import django  # noqa: E402

django.setup()

from django.core.cache import caches  # noqa: E402
from django.core.management import call_command  # noqa: E402

call_command("createcachetable", verbosity=0)

app = Flask(__name__)
files = FileSystemCache(f"{folder}/files")
disk = diskcache.Cache(f"{folder}/disk")
memory = SimpleCache()


def slot():
    return hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()


@app.get("/files")
def in_files():
    files.set("user:1", {"token": request.headers["X-API-Key"]})  # expect: raw-token-stored
    return {}


@app.get("/disk")
def on_disk():
    disk["user:1"] = [request.headers["X-API-Key"]]  # expect: raw-token-stored
    return {}


@app.get("/database")
def in_database():
    caches["default"].set("user:1", request.headers["X-API-Key"], 60)  # expect: raw-token-stored
    return {}


@app.get("/memory")
def in_memory():
    memory.set("user:1", request.headers["X-API-Key"])
    caches["memory"].set("user:1", request.headers["X-API-Key"])
    return {}


@app.get("/digests")
def digests():
    for cache in (files, disk, caches["default"], caches["memory"]):
        cache.set("user:1", slot())
        cache.set(slot(), {"user": "ann"})
        assert cache.get(slot()) == {"user": "ann"}
        assert cache.delete(slot())
    return {}


@app.get("/database/twice")
def twice():
    caches["default"].set(slot(), 1)
    assert caches["default"].delete(slot())
    assert not caches["default"].delete(slot())  # expect: double-release
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("files", "disk", "database", "memory", "digests", "database/twice"):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).status_code == 200, path
    disk.close()
