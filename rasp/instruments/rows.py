"""Every instrument as data: its name, its file in this folder, and the library's modules that its patch points lie in.

It imports nothing, so that the start of a process may read it without rasp: what it waits for is written here.
"""

ROWS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("flask", "flask_app", ("flask.app",)),
    ("flask.g", "flask_g", ("flask.ctx",)),
    ("flask.sessions", "flask_sessions", ("flask.sessions",)),
    ("werkzeug.forms", "werkzeug_forms", ("werkzeug.formparser",)),
    ("werkzeug.reads", "werkzeug_reads", ("werkzeug.datastructures",)),
    ("gunicorn", "servers", ("gunicorn.app.base",)),
    ("wsgiref", "servers", ("wsgiref.handlers",)),
    ("waitress", "servers", ("waitress.server",)),
    ("http.server", "http_server_lines", ("http.server",)),
    ("logging", "stdlib_logging", ("logging",)),
    ("logging.errors", "printed_errors", ("logging",)),
    ("warnings", "printed_errors", ("warnings",)),
    ("traceback", "printed_errors", ("traceback",)),
    ("excepthook", "printed_errors", ("sys", "threading")),
    ("werkzeug.debug", "printed_errors", ("werkzeug.debug.tbtools",)),
    ("streams", "standard_streams", ("sys",)),
    ("wsgi.errors", "standard_streams", ("gunicorn.http.wsgi",)),
    ("structlog", "structlog_events", ("structlog._base",)),
    ("loguru", "loguru_sinks", ("loguru._simple_sinks", "loguru._file_sink", "loguru._error_interceptor")),
    ("opentelemetry", "otel_spans", ("opentelemetry.sdk.trace", "opentelemetry.sdk.resources")),
    ("opentelemetry.logs", "otel_logs", ("opentelemetry.sdk._logs._internal.export",)),
    ("opentelemetry.baggage", "otel_logs", ("opentelemetry.baggage", "opentelemetry.baggage.propagation")),
    (
        "sentry",
        "sentry_events",
        (
            "sentry_sdk.client", "sentry_sdk.scope", "sentry_sdk.tracing", "sentry_sdk._batcher",
            "sentry_sdk._log_batcher",
        ),
    ),
    ("http.client", "http_client", ("http.client",)),
    ("urllib3", "urllib3_client", ("urllib3.connection", "urllib3.response")),
    ("requests", "requests_client", ("requests.sessions", "requests.models")),
    ("httpx", "httpx_client", ("httpx._client", "httpx._models")),
    ("httpx2", "httpx_client", ("httpx2._client", "httpx2._models")),
    ("aiohttp", "aiohttp_client", ("aiohttp.client_reqrep",)),
    (
        "cachelib",
        "cachelib_caches",
        (
            "cachelib.base", "cachelib.simple", "cachelib.file", "cachelib.redis_base", "cachelib.redis",
            "cachelib.memcached", "cachelib.uwsgi", "cachelib.mongodb", "cachelib.dynamodb",
        ),
    ),
    ("cachelib.values", "cachelib_values", ("cachelib.serializers",)),
    ("flask_caching", "flask_caching_caches", ("flask_caching",)),
    ("redis", "redis_clients", ("redis.commands.core", "redis.client", "redis.cluster")),
    ("valkey", "redis_clients", ("valkey.commands.core", "valkey.client", "valkey.cluster")),
    ("pymemcache", "pymemcache_clients", ("pymemcache.client.base",)),
    ("cachetools", "cachetools_caches", ("cachetools",)),
    ("diskcache", "diskcache_caches", ("diskcache.core",)),
    (
        "dogpile",
        "dogpile_regions",
        tuple(f"dogpile.cache.backends.{name}" for name in ("memory", "file", "redis", "valkey", "memcached")),
    ),
    (
        "django.cache",
        "django_caches",
        tuple(
            f"django.core.cache.backends.{name}"
            for name in ("base", "locmem", "filebased", "db", "redis", "memcached")
        ),
    ),
    ("functools", "lru_caches", ("functools",)),
    ("limits", "rate_limits", ("limits.strategies",)),
    ("pyjwt", "pyjwt", ("jwt.api_jws", "jwt.api_jwt")),
    (
        "authlib.jose",
        "authlib_tokens",
        ("authlib.jose.rfc7515.jws", "authlib.jose.rfc7516.jwe", "authlib.jose.rfc7519.jwt"),
    ),
    ("authlib.oauth2", "authlib_tokens", ("authlib.oauth2.rfc6749.resource_protector", "authlib.oauth2.client")),
    ("joserfc", "joserfc_tokens", ("joserfc.jws", "joserfc.jwe", "joserfc.jwt")),
    ("google-auth", "google_tokens", ("google.auth.jwt",)),
    ("python-jose", "jose_tokens", ("jose.jws", "jose.jwt", "jose.jwe")),
    ("itsdangerous", "itsdangerous_tokens", ("itsdangerous.signer", "itsdangerous.timed")),
    ("flask_httpauth", "flask_logins", ("flask_httpauth",)),
    ("flask_login", "flask_logins", ("flask_login.utils", "flask_login.login_manager")),
    ("hmac", "hmac_keys", ("_hashlib", "hmac")),
    (
        "cryptography",
        "cryptography_keys",
        (
            "cryptography.fernet", "cryptography.hazmat.primitives.hashes", "cryptography.hazmat.primitives.hmac",
            "cryptography.hazmat.primitives.ciphers.aead", "cryptography.hazmat.primitives.serialization",
        ),
    ),
    ("bcrypt", "password_hashes", ("bcrypt",)),
    ("argon2", "password_hashes", ("argon2",)),
    (
        "passlib",
        "passlib_hashes",
        (
            "passlib.context", "passlib.utils.handlers", "passlib.handlers.argon2", "passlib.handlers.mssql",
            "passlib.handlers.scram",
        ),
    ),
    ("django", "django_checks", ("django.core.signing", "django.contrib.auth.hashers")),
    ("werkzeug_passwords", "password_hashes", ("werkzeug.security",)),
    ("sqlite3", "sqlite3_connections", ("sqlite3.dbapi2", "sqlite3")),
    (
        "psycopg",
        "psycopg_cursors",
        ("psycopg.cursor", "psycopg._server_cursor", "psycopg.cursor_async", "psycopg._server_cursor_async"),
    ),
    ("pymysql", "pymysql_cursors", ("pymysql.cursors",)),
    (
        "sqlalchemy",
        "sqlalchemy_engines",
        (
            "sqlalchemy.engine.default", "sqlalchemy.dialects.mysql.mysqldb", "sqlalchemy.dialects.mssql.pyodbc",
            "sqlalchemy.dialects.oracle.cx_oracle", "sqlalchemy.dialects.postgresql.psycopg2",
        ),
    ),
    ("file", "opened_files", ("builtins", "io", "_io", "shelve")),
    ("pickle", "pickles", ("pickle", "_pickle")),
    ("subprocess", "processes", ("subprocess", "os", "posix", "pty")),
    ("celery", "task_queues", ("celery.app.base",)),
    ("rq", "task_queues", ("rq.queue",)),
    ("pynacl", "pynacl_keys", ("nacl.secret", "nacl.signing", "nacl.pwhash", "nacl.bindings")),
)  # fmt: skip
"""In the order in which they are put in place where all libraries are there already."""

ALWAYS = {
    "sys", "threading", "builtins", "io", "_io", "os", "posix", "functools", "warnings", "traceback", "pickle",
    "_pickle", "_hashlib", "hmac", "shelve",
}  # fmt: skip
"""Modules that every process has or soon gets: they alone show no credential."""
NATIVE = {"ctypes", "cffi", "_cffi_backend"}
"""What brings native libraries in, whose instruments are no rows."""
