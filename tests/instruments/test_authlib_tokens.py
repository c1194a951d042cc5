"""Authlib: its JOSE, its resource protector and its OAuth client."""

from __future__ import annotations

import io
import logging
import warnings

import pytest
from contract import InstrumentContract, Subject, flask_app
from jwt_contract import BEARER, SIGNING_KEY, TOKEN, JwtContract, presented
from support.made_up import api_key, text
from support.web import call
from verifier_contract import LOUD, log_to_memory

with warnings.catch_warnings(record=True):
    from authlib.integrations.flask_oauth2 import ResourceProtector
    from authlib.integrations.requests_client import OAuth2Session
    from authlib.jose import JsonWebEncryption, JsonWebKey, JsonWebSignature, JsonWebToken
    from authlib.oauth2.rfc6750 import BearerTokenValidator

KEY = api_key("authlib")
ALGORITHMS = ["HS256", "RS256", "ES256", "dir", "A128GCM"]


class TestAuthlibJose(JwtContract):
    name = "authlib.jose"
    hooks = ("authlib.decode", "authlib.encode")
    paths = (*JwtContract.paths, "/layers")
    holder = "authlib"

    def prepare(self, app):
        super().prepare(app)

        @app.get("/layers")
        def layers():
            JsonWebSignature(ALGORITHMS).deserialize_compact(presented(), SIGNING_KEY)
            key, encryption = JsonWebKey.import_key({"kty": "oct", "k": "c2l4dGVlbiBieXRlcyBvaw"}), JsonWebEncryption()
            token = encryption.serialize_compact({"alg": "dir", "enc": "A128GCM"}, b"plain", key)
            return {"plain": encryption.deserialize_compact(token, key)["payload"].decode()}

    def decode(self, token, key, algorithm="HS256"):
        return JsonWebToken([algorithm]).decode(token, key)

    def encode(self, claims, key, algorithm="HS256"):
        return JsonWebToken([algorithm]).encode({"alg": algorithm}, claims, key).decode()

    def jwk(self, key):
        return JsonWebKey.import_key(key)


def test_a_key_that_a_callback_finds_verifies(install_rasp):
    installed = install_rasp(record=True)

    def view():
        return JsonWebToken(["HS256"]).decode(presented(), lambda header, payload: SIGNING_KEY)["sub"]

    assert TestAuthlibJose().judged(installed, view) == []
    assert installed.seen("authlib", "hmac") == [("verify", "authlib")]


def test_a_public_key_set_holds_no_secret(install_rasp):
    installed = install_rasp()
    private = JsonWebKey.generate_key("EC", "P-256", is_private=True)
    public = JsonWebKey.import_key_set({"keys": [private.as_dict(is_private=False)]})

    def view():
        token = JsonWebToken(["ES256"]).encode({"alg": "ES256"}, {"sub": "ann", "exp": 4102444800}, private)
        JsonWebToken(["ES256"]).decode(token, public)
        return public.as_dict()

    TestAuthlibJose().judged(installed, view)
    found, values = private.as_dict(is_private=True), installed.runtime.ledger.values
    assert [values.get(found[name]) is not None for name in ("d", "x", "y")] == [True, False, False]


class Accepted:
    def is_expired(self):
        return False

    def is_revoked(self):
        return False

    def get_scope(self):
        return "read"


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string):
        return Accepted() if token_string == KEY else None


class TestResourceProtector(InstrumentContract):
    name = "authlib.oauth2"
    hooks = ("authlib.protect", "authlib.oauth")
    paths = ("/clean", "/defect", "/refused", "/token")
    holder = "authlib"
    clean = ("verify",)
    defective = ("verify",)
    finding = ("raw-token-logged", "error", "defect")

    def call(self, subject, path):
        return call(subject.app, path, {"Authorization": f"Bearer {KEY}"})

    def subject(self, folder):
        app, log = flask_app(), log_to_memory()
        protect = ResourceProtector()
        protect.register_token_validator(Validator())

        @app.get("/clean")
        @protect("read")
        def clean():
            return {"ok": True}

        @app.get("/defect")
        @protect("read")
        def defect():
            log.warning("came with %s", KEY)
            return {"ok": True}

        @app.get("/refused")
        @protect("write")
        def refused():
            return {"ok": False}

        @app.get("/token")
        def token():
            return OAuth2Session("client").parse_response_token(Answered({"access_token": text("granted", 40)}))

        return Subject(app)

    def raises(self, subject):
        error = LookupError("no database")

        def lost(self, token_string):
            raise error

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Validator, "authenticate_token", lost)
            with pytest.raises(LookupError) as caught:
                self.call(subject, "/clean")
        return error, caught.value


class Answered:
    """What ``requests`` brought back."""

    status_code = 200

    def __init__(self, token):
        self._token = token

    def json(self):
        return dict(self._token)

    def raise_for_status(self):
        pass


def test_a_validator_that_trusts_a_token_unchecked_makes_it_no_better(install_rasp):
    import jwt

    class Trusting(BearerTokenValidator):
        def authenticate_token(self, token_string):
            jwt.decode(token_string, options={"verify_signature": False})
            return Accepted()

    installed = install_rasp(rules=LOUD)
    protect, app = ResourceProtector(), flask_app()
    protect.register_token_validator(Trusting())
    app.add_url_rule("/", "view", protect()(lambda: "ok"))
    call(app, "/", BEARER)
    assert [(rule, severity) for rule, severity, _ in installed.judged()] == [("unverified-token", "error")]


def test_tokens_that_the_oauth_client_receives_are_followed_and_belong_to_the_request(install_rasp):
    import jwt

    installed = install_rasp()
    app, log = flask_app(), logging.Logger("oauth")
    log.addHandler(logging.StreamHandler(io.StringIO()))
    granted = {"access_token": text("granted", 40), "id_token": TOKEN, "token_type": "Bearer"}

    @app.get("/mine")
    def mine():
        return jwt.decode(presented(), SIGNING_KEY, algorithms=["HS256"])

    @app.get("/callback")
    def callback():
        token = OAuth2Session("client").parse_response_token(Answered(granted))
        jwt.decode(token["id_token"], SIGNING_KEY, algorithms=["HS256"])
        log.warning("got %s", token["access_token"])
        return "ok"

    call(app, "/mine", BEARER)
    call(app, "/callback")
    assert installed.judged() == [("raw-token-logged", "error", "callback")]
