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
    Row("flask.sessions", "flask_sessions", ("flask.sessions",)),
    Row("werkzeug.forms", "werkzeug_forms", ("werkzeug.formparser",)),
    Row("werkzeug.reads", "werkzeug_reads", ("werkzeug.datastructures.headers", "werkzeug.datastructures.structures")),
    Row("gunicorn", "servers", ("gunicorn.app.base",)),
    Row("wsgiref", "servers", ("wsgiref.handlers",)),
    Row("waitress", "servers", ("waitress.server",)),
    Row("logging", "stdlib_logging", ("logging",)),
    Row("structlog", "structlog_events", ("structlog._base",)),
    Row("loguru", "loguru_sinks", ("loguru._simple_sinks", "loguru._file_sink")),
    Row("opentelemetry", "otel_spans", ("opentelemetry.sdk.trace",)),
    Row(
        "cachelib",
        "cachelib_caches",
        (
            "cachelib.base", "cachelib.simple", "cachelib.file", "cachelib.redis_base", "cachelib.redis",
            "cachelib.memcached", "cachelib.uwsgi", "cachelib.mongodb", "cachelib.dynamodb",
        ),
    ),
    Row("flask_caching", "flask_caching_caches", ("flask_caching",)),
    Row("pyjwt", "pyjwt", ("jwt.api_jws", "jwt.api_jwt")),
    Row(
        "authlib.jose",
        "authlib_tokens",
        ("authlib.jose.rfc7515.jws", "authlib.jose.rfc7516.jwe", "authlib.jose.rfc7519.jwt"),
    ),
    Row("authlib.oauth2", "authlib_tokens", ("authlib.oauth2.rfc6749.resource_protector", "authlib.oauth2.client")),
    Row("joserfc", "joserfc_tokens", ("joserfc.jws", "joserfc.jwe", "joserfc.jwt")),
    Row("google-auth", "google_tokens", ("google.auth.jwt",)),
    Row("python-jose", "jose_tokens", ("jose.jws", "jose.jwt", "jose.jwe")),
    Row("itsdangerous", "itsdangerous_tokens", ("itsdangerous.signer", "itsdangerous.timed")),
    Row("flask_httpauth", "flask_logins", ("flask_httpauth",)),
    Row("flask_login", "flask_logins", ("flask_login.utils", "flask_login.login_manager")),
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
    Row(
        "passlib",
        "passlib_hashes",
        (
            "passlib.context", "passlib.utils.handlers", "passlib.handlers.argon2", "passlib.handlers.mssql",
            "passlib.handlers.scram",
        ),
    ),
    Row("django", "django_checks", ("django.core.signing", "django.contrib.auth.hashers")),
    Row("werkzeug_passwords", "password_hashes", ("werkzeug.security",)),
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
