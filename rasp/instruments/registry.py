"""Every instrument, one row each: its name, the library's modules whose import brings it in, and its file.

The rows are data. A file is imported when one of its modules is, so that a library the app never imports costs
nothing. The families of native libraries share identities and declarations and are made at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from rasp.instruments import cffi_native, ctypes_native, deep_mode, extension_modules
from rasp.instruments.kit import Kit
from rasp.instruments.native_calls import NativeCalls
from rasp.instruments.native_identity import Identities
from rasp.instruments.native_libraries import NativeLibraries
from rasp.patching.installer import Instrument, Planned


@dataclass(frozen=True, slots=True)
class Row:
    """One instrument as it is found: ``modules`` are those its patch points lie in, ``file`` is in this folder."""

    name: str
    file: str
    modules: tuple[str, ...]


ROWS = (
    Row("flask", "flask_app", ("flask.app",)),
    Row("flask.g", "flask_g", ("flask.ctx",)),
    Row("werkzeug.forms", "werkzeug_forms", ("werkzeug.formparser",)),
    Row("gunicorn", "servers", ("gunicorn.app.base",)),
    Row("wsgiref", "servers", ("wsgiref.handlers",)),
    Row("waitress", "servers", ("waitress.server",)),
    Row("http.server", "http_server_lines", ("http.server",)),
    Row("logging", "stdlib_logging", ("logging",)),
    Row("logging.errors", "printed_errors", ("logging",)),
    Row("warnings", "printed_errors", ("warnings",)),
    Row("traceback", "printed_errors", ("traceback",)),
    Row("excepthook", "printed_errors", ("sys", "threading")),
    Row("werkzeug.debug", "printed_errors", ("werkzeug.debug.tbtools",)),
    Row("streams", "standard_streams", ("sys",)),
    Row("wsgi.errors", "standard_streams", ("gunicorn.http.wsgi",)),
    Row("structlog", "structlog_events", ("structlog._base",)),
    Row("loguru", "loguru_sinks", ("loguru._simple_sinks", "loguru._file_sink", "loguru._error_interceptor")),
    Row("opentelemetry", "otel_spans", ("opentelemetry.sdk.trace", "opentelemetry.sdk.resources")),
    Row("opentelemetry.logs", "otel_logs", ("opentelemetry.sdk._logs._internal.export",)),
    Row("opentelemetry.baggage", "otel_logs", ("opentelemetry.baggage", "opentelemetry.baggage.propagation")),
    Row(
        "sentry",
        "sentry_events",
        (
            "sentry_sdk.client", "sentry_sdk.scope", "sentry_sdk.tracing", "sentry_sdk._batcher",
            "sentry_sdk._log_batcher",
        ),
    ),
    Row("http.client", "http_client", ("http.client",)),
    Row("urllib3", "urllib3_client", ("urllib3.connection", "urllib3.response")),
    Row("requests", "requests_client", ("requests.sessions", "requests.models")),
    Row("httpx", "httpx_client", ("httpx._client", "httpx._models")),
    Row("httpx2", "httpx_client", ("httpx2._client", "httpx2._models")),
    Row("aiohttp", "aiohttp_client", ("aiohttp.client_reqrep",)),
    Row(
        "cachelib",
        "cachelib_caches",
        (
            "cachelib.base", "cachelib.simple", "cachelib.file", "cachelib.redis_base", "cachelib.redis",
            "cachelib.memcached", "cachelib.uwsgi", "cachelib.mongodb", "cachelib.dynamodb",
        ),
    ),
    Row("cachelib.values", "cachelib_values", ("cachelib.serializers",)),
    Row("flask_caching", "flask_caching_caches", ("flask_caching",)),
    Row("redis", "redis_clients", ("redis.commands.core", "redis.client", "redis.cluster")),
    Row("valkey", "redis_clients", ("valkey.commands.core", "valkey.client", "valkey.cluster")),
    Row("pymemcache", "pymemcache_clients", ("pymemcache.client.base",)),
    Row("cachetools", "cachetools_caches", ("cachetools",)),
    Row("diskcache", "diskcache_caches", ("diskcache.core",)),
    Row(
        "dogpile",
        "dogpile_regions",
        tuple(f"dogpile.cache.backends.{name}" for name in ("memory", "file", "redis", "valkey", "memcached")),
    ),
    Row(
        "django.cache",
        "django_caches",
        tuple(
            f"django.core.cache.backends.{name}"
            for name in ("base", "locmem", "filebased", "db", "redis", "memcached")
        ),
    ),
    Row("functools", "lru_caches", ("functools",)),
    Row("limits", "rate_limits", ("limits.strategies",)),
    Row("pyjwt", "pyjwt", ("jwt.api_jws", "jwt.api_jwt")),
    Row("hmac", "hmac_keys", ("_hashlib", "hmac")),
    Row(
        "cryptography",
        "cryptography_keys",
        (
            "cryptography.fernet", "cryptography.hazmat.primitives.hashes", "cryptography.hazmat.primitives.hmac",
            "cryptography.hazmat.primitives.ciphers.aead", "cryptography.hazmat.primitives.serialization",
        ),
    ),
    Row("bcrypt", "password_hashes", ("bcrypt",)),
    Row("argon2", "password_hashes", ("argon2",)),
    Row("werkzeug_passwords", "password_hashes", ("werkzeug.security",)),
    Row("sqlite3", "sqlite3_connections", ("sqlite3.dbapi2", "sqlite3")),
    Row(
        "psycopg",
        "psycopg_cursors",
        ("psycopg.cursor", "psycopg._server_cursor", "psycopg.cursor_async", "psycopg._server_cursor_async"),
    ),
    Row("pymysql", "pymysql_cursors", ("pymysql.cursors",)),
    Row(
        "sqlalchemy",
        "sqlalchemy_engines",
        (
            "sqlalchemy.engine.default", "sqlalchemy.dialects.mysql.mysqldb", "sqlalchemy.dialects.mssql.pyodbc",
            "sqlalchemy.dialects.oracle.cx_oracle", "sqlalchemy.dialects.postgresql.psycopg2",
        ),
    ),
    Row("file", "opened_files", ("builtins", "io", "_io", "shelve")),
    Row("pickle", "pickles", ("pickle", "_pickle")),
    Row("subprocess", "processes", ("subprocess", "os", "posix", "pty")),
    Row("celery", "task_queues", ("celery.app.base",)),
    Row("rq", "task_queues", ("rq.queue",)),
    Row("pynacl", "pynacl_keys", ("nacl.secret", "nacl.signing", "nacl.pwhash", "nacl.bindings")),
)  # fmt: skip
"""In the order in which they are put in place where all libraries are there already."""


def planned(kit: Kit) -> tuple[list[Planned], NativeLibraries]:
    """All instruments of a runtime, most of them yet to be loaded, and the door to native libraries."""
    rows = [Planned(row.name, row.modules, partial(load, row, kit)) for row in ROWS]
    native, libraries = _native(kit)
    return [*rows, *(Planned.made(instrument) for instrument in native)], libraries


def load(row: Row, kit: Kit) -> Instrument:
    """Imports the file of a row and makes its instrument."""
    file = importlib.import_module(f"rasp.instruments.{row.file}")
    made: Iterator[Instrument] = iter(file.instruments(kit) if hasattr(file, "instruments") else [file.instrument(kit)])
    return next(instrument for instrument in made if instrument.name == row.name)


def _native(kit: Kit) -> tuple[list[Instrument], NativeLibraries]:
    native, native_hooks = ctypes_native.instrument(kit)
    calls = NativeCalls(kit)
    pointers = Identities(lambda handle: None, kit.config.quarantine)
    kit.ledger.native.followed = pointers.of
    objects = Identities(kit.ledger.native.ended, kit.config.quarantine)
    kit.ledger.native.on_fork += [pointers.after_fork, objects.after_fork]
    cffi, cffi_libraries = cffi_native.instrument(kit, calls, pointers)
    extensions, modules = extension_modules.instrument(kit, calls, objects)
    libraries = NativeLibraries(native_hooks, cffi_libraries, modules, calls)
    # What the extension modules' instrument wraps others may have wrapped before: it is taken back first.
    found = [native, cffi, extensions]
    if kit.config.deep:
        instrument, libraries.deep = deep_mode.instrument(kit, calls)
        found.append(instrument)
    return found, libraries
