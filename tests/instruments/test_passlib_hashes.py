"""passlib: contexts and handlers."""

from __future__ import annotations

import warnings
from typing import ClassVar

import pytest
from contract import KEY, flask_app
from flask import request
from support.web import call
from verifier_contract import LOUD, VerifierContract

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from passlib import hash as hashes
    from passlib.context import CryptContext

    CONTEXT = CryptContext(["pbkdf2_sha256", "sha256_crypt"], pbkdf2_sha256__rounds=1, sha256_crypt__rounds=1000)
    STORED = CONTEXT.hash(KEY)
    HANDLERS = {
        "pbkdf2_sha512": hashes.pbkdf2_sha512.using(rounds=1),
        "sha256_crypt": hashes.sha256_crypt.using(rounds=1000),
        "argon2": hashes.argon2.using(rounds=1, memory_cost=64),
        "scrypt": hashes.scrypt.using(rounds=4),
        "ldap_salted_sha256": hashes.ldap_salted_sha256,
        "django_pbkdf2_sha256": hashes.django_pbkdf2_sha256.using(rounds=1),
        "scram": hashes.scram.using(rounds=1),
        "mssql2000": hashes.mssql2000,
    }
    HASHED = {name: handler.hash(KEY) for name, handler in HANDLERS.items()}


class TestPasslib(VerifierContract):
    name = "passlib"
    hooks = ("passlib.verify", "passlib.hash")
    paths = (*VerifierContract.paths, "/hash")
    holder = "passlib"
    credential = KEY
    headers: ClassVar[dict[str, str]] = {"X-API-Key": KEY}

    def prepare(self, app):
        app.add_url_rule("/hash", "hash", lambda: str(len(CONTEXT.hash(request.headers["X-API-Key"]))))

    def check(self, app, right):
        return CONTEXT.verify(request.headers["X-API-Key"], STORED if right else CONTEXT.hash("another"))

    def raising(self, app):
        return CONTEXT.verify(request.headers["X-API-Key"], "no hash")


@pytest.mark.parametrize("name", HANDLERS)
def test_each_handler_verifies_once(install_rasp, name):
    installed = install_rasp(record=True, rules=LOUD)
    app = flask_app()

    @app.get("/")
    def view():
        return str(HANDLERS[name].verify(request.headers["X-API-Key"], HASHED[name]))

    assert call(app, "/", {"X-API-Key": KEY}).body == b"True"
    assert installed.seen("passlib", "hmac", "argon2") == [("verify", "passlib")]
    assert installed.findings == []


def test_a_check_that_renews_the_hash_is_one_event(install_rasp):
    installed = install_rasp(record=True, rules=LOUD)
    app, old = flask_app(), HASHED["sha256_crypt"]
    renewing = CONTEXT.copy(deprecated=["sha256_crypt"])

    @app.get("/")
    def view():
        right, renewed = renewing.verify_and_update(request.headers["X-API-Key"], old)
        return f"{right} {renewed is not None}"

    assert call(app, "/", {"X-API-Key": KEY}).body == b"True True"
    assert installed.seen("passlib", "hmac") == [("verify", "passlib")]


def test_a_hash_made_is_a_use_and_no_check(install_rasp):
    installed = install_rasp(record=True)
    app = flask_app()
    app.add_url_rule("/", "view", lambda: str(bool(CONTEXT.hash(request.headers["X-API-Key"]))))
    call(app, "/", {"X-API-Key": KEY})
    assert installed.seen("passlib", "hmac") == [("use", "passlib")]
    assert installed.runtime.ledger.values.get(KEY).rank.name == "ANSWERED"
