"""Credentials that go into cryptographic code: used, verified, or only tried; and the functions left as they were."""

from __future__ import annotations

import _hashlib
import functools
import hashlib
import hmac
import secrets
from hmac import compare_digest as compared_by_name

import argon2
import bcrypt
import nacl.bindings
import nacl.pwhash
import nacl.secret
import pytest
import werkzeug.security
from cryptography.exceptions import InvalidSignature
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import hmac as cryptography_hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import Flask, request
from support.made_up import api_key, jwt, text
from support.web import call

from rasp import runtime as process

KEY, OTHER = api_key("material"), api_key("another")
PEPPER = b"a pepper for keyed digests"
HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@functools.cache
def stored(kind):
    """What the app keeps of the key in place of it."""
    raw = KEY.encode()
    made = {
        "sha256": lambda: hashlib.sha256(raw).hexdigest(),
        "hmac": lambda: hmac.digest(PEPPER, raw, "sha256").hex(),
        "bcrypt": lambda: bcrypt.hashpw(raw, bcrypt.gensalt(4)),
        "argon2": lambda: HASHER.hash(KEY),
        "werkzeug": lambda: werkzeug.security.generate_password_hash(KEY, "pbkdf2:sha256:1"),
        "pynacl": lambda: nacl.pwhash.argon2id.str(raw, 1, 8192),
        "fernet": lambda: Fernet(Fernet.generate_key()),
    }
    return made[kind]()


def refused(error, check, *args):
    try:
        return bool(check(*args))
    except error:
        return False


VERIFIERS = {
    "hmac.compare_digest": lambda key: hmac.compare_digest(key, KEY),
    "bytes": lambda key: hmac.compare_digest(key.encode(), KEY.encode()),
    "secrets.compare_digest": lambda key: secrets.compare_digest(key, KEY),
    "imported by name before": lambda key: compared_by_name(key, KEY),
    "sodium_memcmp": lambda key: nacl.bindings.sodium_memcmp(key.encode(), KEY.encode()),
    "a digest": lambda key: hmac.compare_digest(hashlib.sha256(key.encode()).hexdigest(), stored("sha256")),
    "a keyed digest": lambda key: hmac.compare_digest(
        hmac.new(PEPPER, key.encode(), "sha256").hexdigest(), stored("hmac")
    ),
    "bcrypt": lambda key: bcrypt.checkpw(key.encode(), stored("bcrypt")),
    "argon2": lambda key: refused(argon2.exceptions.VerifyMismatchError, HASHER.verify, stored("argon2"), key),
    "werkzeug": lambda key: werkzeug.security.check_password_hash(stored("werkzeug"), key),
    "pynacl": lambda key: refused(nacl.exceptions.InvalidkeyError, nacl.pwhash.verify, stored("pynacl"), key.encode()),
}
USERS = {
    "hmac key": lambda key: hmac.new(key.encode(), b"message", "sha256").digest(),
    "hmac.digest": lambda key: hmac.digest(PEPPER, key.encode(), "sha256"),
    "Hash": lambda key: hashes.Hash(hashes.SHA256()).update(key.encode()),
    "HMAC": lambda key: cryptography_hmac.HMAC(PEPPER, hashes.SHA256()).update(key.encode()),
    "AESGCM": lambda key: AESGCM(b"k" * 16).encrypt(b"n" * 12, key.encode(), None),
    "Fernet": lambda key: stored("fernet").encrypt(key.encode()),
    "SecretBox": lambda key: nacl.secret.SecretBox(b"k" * 32).encrypt(key.encode()),
    "bcrypt": lambda key: bcrypt.hashpw(key.encode(), bcrypt.gensalt(4)),
    "argon2": lambda key: HASHER.hash(key),  # noqa: PLW0108 - looked up when it is called, under rasp
    "werkzeug": lambda key: werkzeug.security.generate_password_hash(key, "pbkdf2:sha256:1"),
}


@pytest.fixture
def asked(install_rasp):
    """``asked(function, key)``: its result in a request that presents the key, and (events, verified, attempted)."""
    installed = install_rasp(record=True)
    app = Flask("material_app")
    app.config.update(PROPAGATE_EXCEPTIONS=True)
    seen = {}

    @app.get("/")
    def view():
        presented = request.headers.get("X-API-Key") or request.headers["Authorization"].partition(" ")[2]
        seen["result"] = seen["function"](presented)
        scope = process.active().ledger.scopes.here()
        seen["established"] = [live.text == presented for live in scope.verified]
        seen["attempted"] = [live.text == presented for live in scope.attempted]
        return "done"

    def ask(function, key, header="X-API-Key", prefix=""):
        seen["function"] = function
        app_with_rasp = installed.runtime.door
        call(lambda environ, start: app_with_rasp.serve(app.wsgi_app, environ, start), "/", {header: prefix + key})
        installed.runtime.ledger.scopes.end_thread()
        record = installed.records()[-1]
        events = [event.step.action.value for event in record.events if event.step.holder != "request"]
        assert installed.guard.failures == {}
        assert installed.judged() == []
        return seen["result"], (events, bool(seen["established"]), bool(seen["attempted"]))

    return ask


@pytest.mark.parametrize("name", VERIFIERS)
class TestVerifiers:
    def test_the_right_key_is_verified(self, asked, name):
        result, (events, verified, attempted) = asked(VERIFIERS[name], KEY)
        assert result is True
        assert (events[-1], events.count("verify"), verified, attempted) == ("verify", 1, True, True)

    def test_a_wrong_one_was_only_tried(self, asked, name):
        result, (events, verified, attempted) = asked(VERIFIERS[name], OTHER)
        assert result is False
        assert (events.count("verify"), verified, attempted) == (1, False, True)


@pytest.mark.parametrize("name", USERS)
def test_what_only_uses_a_key_is_a_use(asked, name):
    _, (events, verified, attempted) = asked(USERS[name], KEY)
    assert (events, verified, attempted) == (["use"], False, False)


class TestTokens:
    def test_a_fernet_token_that_decrypts_is_verified(self, asked):
        fernet = Fernet(Fernet.generate_key())
        token = fernet.encrypt(b"caller").decode()
        result, seen = asked(fernet.decrypt, token, "Authorization", "Bearer ")
        assert (result, seen) == (b"caller", (["verify"], True, True))

    def test_one_of_another_key_was_only_tried(self, asked):
        token = Fernet(Fernet.generate_key()).encrypt(b"caller").decode()
        check = functools.partial(refused, InvalidToken, Fernet(Fernet.generate_key()).decrypt)
        assert asked(check, token, "Authorization", "Bearer ") == (False, (["verify"], False, True))

    def test_the_signature_of_a_token_checked_by_hand(self, asked):
        token = jwt("by hand")
        signature = token.rpartition(".")[2]
        check = functools.partial(hmac.compare_digest, signature)
        result, seen = asked(lambda key: check(key.rpartition(".")[2]), token, "Authorization", "Bearer ")
        assert (result, seen) == (True, (["verify"], True, True))


class TestSecretsOfTheApp:
    def test_a_fernet_key_is_one(self, install_rasp):
        installed = install_rasp()
        key = Fernet.generate_key()
        Fernet(key)
        assert installed.runtime.ledger.values.get(key.decode()).kind == "service"

    def test_an_hmac_that_does_not_verify_raises_what_it_did(self, install_rasp):
        install_rasp()
        checked = cryptography_hmac.HMAC(PEPPER, hashes.SHA256())
        checked.update(b"message")
        with pytest.raises(InvalidSignature):
            checked.verify(b"x" * 32)

    def test_outside_requests_nothing_is_recorded(self, install_rasp):
        installed = install_rasp(record=True)
        for function in (*VERIFIERS.values(), *USERS.values()):
            function(text("no credential", 40))
        assert (installed.findings, installed.records(), installed.guard.failures) == ([], [], {})


POINTS = (
    (hmac, "compare_digest"), (secrets, "compare_digest"), (_hashlib, "hmac_new"), (_hashlib, "hmac_digest"),
    (bcrypt, "checkpw"), (bcrypt, "hashpw"), (argon2.PasswordHasher, "verify"), (hashes.Hash, "update"),
    (werkzeug.security, "check_password_hash"), (nacl.bindings, "sodium_memcmp"), (Fernet, "decrypt"),
    (AESGCM, "encrypt"),
)  # fmt: skip


def test_uninstall_restores_the_identical_objects(install_rasp):
    before = [vars(parent)[name] for parent, name in POINTS]
    by_name = compared_by_name
    install_rasp()
    assert all(vars(parent)[name] is not old for (parent, name), old in zip(POINTS, before, strict=True))
    assert globals()["compared_by_name"] is hmac.compare_digest is not by_name
    process.uninstall()
    assert all(vars(parent)[name] is old for (parent, name), old in zip(POINTS, before, strict=True))
    assert globals()["compared_by_name"] is by_name


def test_hashlibs_constructors_are_never_replaced(install_rasp):
    before = {name: getattr(hashlib, name) for name in ("sha256", "sha1", "md5", "sha512", "new")}
    install_rasp()
    assert {name: getattr(hashlib, name) for name in before} == before
    assert hmac.new(b"key", b"message", hashlib.sha256).digest() == hmac.digest(b"key", b"message", "sha256")


@pytest.mark.parametrize(
    "hook", ["hmac.compare_digest", "hmac.new", "bcrypt.check", "werkzeug.check", "fernet.decrypt"]
)
def test_a_failure_in_a_hook_does_not_reach_the_app(install_rasp, hook):
    installed = install_rasp()
    installed.guard.sabotage(hook)
    assert all(check(KEY) for check in VERIFIERS.values())
    assert stored("fernet").decrypt(stored("fernet").encrypt(b"x")) == b"x"
    assert set(installed.guard.failures) == {hook}
