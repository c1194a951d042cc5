"""What holds for every JWT library beside PyJWT: what is verified, only decoded, or made; and its keys."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import pytest
from contract import Subject, flask_app
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from flask import request
from support.made_up import SIGNING_KEY, text
from support.made_up import jwt as made_up_jwt
from support.web import call
from verifier_contract import LOUD, VerifierContract, log_to_memory

TOKEN = made_up_jwt()
BEARER = {"Authorization": f"Bearer {TOKEN}"}
UNSIGNED = "eyJhbGciOiJub25lIn0." + TOKEN.split(".")[1] + "."
WRONG = "another key that is quite long enough"


def presented() -> str:
    return request.headers["Authorization"].removeprefix("Bearer ")


def pem(private: Any) -> tuple[str, str]:
    """The private key, and its public one."""
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), public.decode()


KEYS = {
    "RS256": pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "ES256": pem(ec.generate_private_key(ec.SECP256R1())),
}


class JwtContract(VerifierContract):
    """A library verifies with ``decode`` and makes tokens with ``encode``."""

    credential = TOKEN
    headers = BEARER
    paths = (*VerifierContract.paths, "/issue")
    peeks: ClassVar[tuple[Any, ...]] = ()
    """How it decodes a token without its signature: each a function of the token."""

    def decode(self, token: str, key: Any, algorithm: str = "HS256") -> Any:
        """The claims, verified."""
        raise NotImplementedError

    def encode(self, claims: dict[str, Any], key: Any, algorithm: str = "HS256") -> str:
        """A token."""
        raise NotImplementedError

    def jwk(self, key: dict[str, Any]) -> Any:
        """A key object of the library's own."""
        raise NotImplementedError

    def prepare(self, app):
        def issue():
            return {"made": bool(self.encode({"sub": "ann", "exp": 4102444800}, SIGNING_KEY))}

        app.add_url_rule("/issue", "issue", issue)

    def check(self, app, right):
        try:
            return self.decode(presented(), SIGNING_KEY if right else WRONG)["sub"] == "caller"
        except Exception:
            return False

    def raising(self, app):
        return self.decode(presented(), WRONG)

    def test_what_is_accepted_and_refused_is_told_so(self, install_rasp, tmp_path):
        installed = install_rasp(record=True, rules=LOUD)
        with self.built(tmp_path) as subject:
            assert self.call(subject, "/clean").body == b'{"checked":true}\n'
            assert self.call(subject, "/refused").body == b'{"checked":false}\n'
        assert [found.rule for found in installed.findings] == ["long-lived-token"]
        assert installed.seen(self.holder, "hmac") == [("verify", self.holder)] * 2

    def judged(self, installed, function, *, token: str = TOKEN) -> list[tuple[str, str]]:
        """What is found when a view does this for a token."""
        app = flask_app()
        app.add_url_rule("/", "view", function)
        call(app, "/", {"Authorization": f"Bearer {token}"})
        return [(rule, severity) for rule, severity, _ in installed.judged()]

    def test_a_token_only_taken_apart_is_unverified(self, install_rasp):
        for peek in self.peeks:
            installed = install_rasp(rules=LOUD)
            assert self.judged(installed, lambda peek=peek: str(peek(presented()))) == [("unverified-token", "error")]
            assert {found.rule for found in installed.findings} == {"unverified-token"}
            from rasp import runtime

            runtime.uninstall()

    def test_taken_apart_and_then_verified_is_fine(self, install_rasp):
        installed = install_rasp()

        def view():
            for peek in self.peeks:
                peek(presented())
            return self.decode(presented(), SIGNING_KEY)["sub"]

        assert self.judged(installed, view) == []

    def test_taken_apart_and_refused_is_fine(self, install_rasp):
        installed = install_rasp()

        def view():
            for peek in self.peeks:
                peek(presented())
            return "no", 403

        assert self.judged(installed, view) == []

    def test_a_token_without_a_signature_is_unverified_even_where_that_is_allowed(self, install_rasp):
        installed = install_rasp()

        def view():
            try:
                return str(self.decode(presented(), SIGNING_KEY, "none"))
            except Exception:
                return str([peek(presented()) for peek in self.peeks])

        assert self.judged(installed, view, token=UNSIGNED) == [("unverified-token", "error")]

    def test_a_token_it_makes_is_followed(self, install_rasp):
        installed = install_rasp()
        log = log_to_memory()

        def view():
            token = self.encode({"sub": "ann", "exp": 4102444800}, SIGNING_KEY)
            log.warning("made %s", token)
            return {"access_token": token}

        assert self.judged(installed, view) == [("raw-token-logged", "error")]

    @pytest.mark.parametrize("algorithm", KEYS)
    def test_a_private_key_is_secret_and_its_public_key_is_not(self, install_rasp, algorithm):
        installed = install_rasp()
        private, public = KEYS[algorithm]
        log = logging.Logger("keys")
        log.addHandler(log_to_memory().handlers[0])

        def view():
            token = self.encode({"sub": "ann", "exp": 4102444800}, private, algorithm)
            assert self.decode(token, public, algorithm)["sub"] == "ann"
            log.warning("public: %s", public)
            return "ok"

        def leak():
            log.warning("private: %s", private)
            return "ok"

        assert self.judged(installed, view) == []
        assert self.judged(installed, leak) == [("raw-token-logged", "error")]

    @pytest.mark.parametrize("shape", ["text", "dict", "object"])
    def test_a_symmetric_key_in_any_shape_is_secret(self, install_rasp, shape):
        installed = install_rasp()
        secret = text(shape, 44)
        key: Any = {"kty": "oct", "k": secret, "kid": "key-number-seven"}
        key = {"text": secret, "dict": key, "object": self.jwk(key)}[shape]
        log = log_to_memory()

        def view():
            self.encode({"sub": "ann", "exp": 4102444800}, key)
            log.warning("kid key-number-seven")
            return "ok"

        def leak():
            log.warning("with %s", secret)
            return "ok"

        assert self.judged(installed, view) == []
        assert self.judged(installed, leak) == [("raw-token-logged", "error")]

    @pytest.mark.parametrize("odd", ["", ".", "..", "a.b.c", "ey.ey.", "…ü", "A" * 8192, ".*(?", "\x00.\x01.\x02"])
    def test_odd_tokens_are_refused_as_ever(self, install_rasp, odd):
        def view():
            told = []
            for function in (*self.peeks, lambda token: self.decode(token, SIGNING_KEY)):
                for token in (odd, odd.encode("utf-8", "surrogateescape")):
                    try:
                        told.append(str(function(token)))
                    except Exception as error:
                        told.append(f"{type(error).__name__} {error}")
            return {"told": told}

        app = flask_app()
        app.add_url_rule("/", "view", view)
        bare = call(app, "/", BEARER)
        installed = install_rasp()
        assert call(app, "/", BEARER) == bare
        assert installed.guard.failures == {}


__all__ = ["BEARER", "SIGNING_KEY", "TOKEN", "UNSIGNED", "JwtContract", "Subject", "presented"]
