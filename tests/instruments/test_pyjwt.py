"""PyJWT: tokens that are verified, only decoded, or made, and the keys for it."""

from __future__ import annotations

import io
import logging

import jwt
import pytest
from contract import InstrumentContract, Subject, flask_app
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from flask import request
from jwt.algorithms import Algorithm
from support.made_up import SIGNING_KEY
from support.made_up import jwt as made_up_jwt
from support.web import call

TOKEN = made_up_jwt()
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def presented():
    return request.headers["Authorization"].removeprefix("Bearer ")


class Refusing(Algorithm):
    """Verifies nothing, and raises what it was given."""

    def __init__(self, error):
        self.error = error

    def prepare_key(self, key):
        return key

    def verify(self, msg, key, sig):
        raise self.error

    def sign(self, msg, key):
        raise self.error

    to_jwk = from_jwk = None


class TestPyJWT(InstrumentContract):
    name = "pyjwt"
    hooks = ("pyjwt.decode", "pyjwt.encode")
    paths = ("/clean", "/defect", "/issue", "/refused")
    holder = "pyjwt"
    clean = ("verify",)
    defective = ("use",)
    finding = ("unverified-token", "error", "defect")

    def call(self, subject, path):
        return call(subject.app, path, BEARER)

    def subject(self, folder):
        app = flask_app()
        kept = []

        @app.get("/clean")
        def clean():
            return jwt.decode(presented(), SIGNING_KEY, algorithms=["HS256"])

        @app.get("/defect")
        def defect():
            kept.append(jwt.decode_complete(presented(), options={"verify_signature": False})["header"])
            return {"ok": True}

        @app.get("/issue")
        def issue():
            kept.append(jwt.encode({"sub": "ann", "exp": 4102444800}, SIGNING_KEY, "HS256", {"kid": "1"}))
            return {"ok": True}

        @app.get("/refused")
        def refused():
            try:
                jwt.decode(presented(), "another key that is quite long enough", algorithms=["HS256"])
            except jwt.InvalidSignatureError as error:
                return {"error": str(error)}, 401

        return Subject(app, lambda: kept)

    def raises(self, subject):
        error = RuntimeError("no hardware")
        signer = jwt.PyJWS()
        signer.unregister_algorithm("HS256")
        signer.register_algorithm("HS256", Refusing(error))
        with pytest.raises(RuntimeError) as caught:
            signer.decode(TOKEN, SIGNING_KEY, algorithms=["HS256"])
        return error, caught.value


def judged(installed, function, *requests):
    """What is found when a view does this for each token."""
    app = flask_app()
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.handlers[:] = [logging.NullHandler()]
    app.add_url_rule("/", "view", function)
    for token in requests or (TOKEN,):
        call(app, "/", {"Authorization": f"Bearer {token}"})
    return [(rule, severity) for rule, severity, _ in installed.judged()]


def test_a_failed_attempt_to_verify_is_an_attempt(observe):
    def view():
        jwt.decode(presented(), options={"verify_signature": False})
        try:
            jwt.decode(presented(), "another key that is quite long enough", algorithms=["HS256"])
        except jwt.InvalidTokenError:
            return {"as": "guest"}

    assert judged(observe, view) == []


def test_peeking_before_verifying_is_fine(observe):
    def view():
        jwt.decode(presented(), options={"verify_signature": False})
        return jwt.decode(presented(), SIGNING_KEY, algorithms=["HS256"])

    assert judged(observe, view) == []


def test_an_error_answer_to_an_unverified_token_is_fine(observe):
    def view():
        jwt.decode(presented(), options={"verify_signature": False})
        return {"error": "no"}, 403

    assert judged(observe, view) == []


def test_a_token_without_an_algorithm_is_unverified(observe):
    token = jwt.encode({"sub": "root"}, None, algorithm="none")

    def view():
        return jwt.decode(presented(), options={"verify_signature": False})

    assert judged(observe, view, token) == [("unverified-token", "error")]


def test_another_callers_token_verified_as_this_ones_is_a_leak(observe):
    first, second = made_up_jwt("first"), made_up_jwt("second")
    kept = []

    def view():
        kept.append(presented())
        return jwt.decode(kept[0], SIGNING_KEY, algorithms=["HS256"])

    assert judged(observe, view, first, second) == [("cross-request-leak", "error")]


@pytest.mark.parametrize("layer", ["encode", "PyJWT", "PyJWS"])
def test_a_token_made_by_any_layer_is_followed(observe, layer):
    stream = io.StringIO()
    log = logging.Logger("issued")
    log.addHandler(logging.StreamHandler(stream))

    def view():
        if layer == "encode":
            token = jwt.encode({"sub": "ann"}, SIGNING_KEY)
        elif layer == "PyJWT":
            token = jwt.PyJWT().encode({"sub": "ann"}, SIGNING_KEY)
        else:
            token = jwt.PyJWS().encode(b"ann", SIGNING_KEY)
        log.warning("made %s", token)
        return {"access_token": token}

    assert judged(observe, view) == [("raw-token-logged", "error")]
    assert "made ey" in stream.getvalue()


def test_a_signing_key_in_a_log_is_found(observe):
    log = logging.Logger("keys")
    log.addHandler(logging.StreamHandler(io.StringIO()))

    def view():
        jwt.decode(presented(), SIGNING_KEY, algorithms=["HS256"])
        log.warning("with %s", SIGNING_KEY)
        return "ok"

    assert judged(observe, view) == [("raw-token-logged", "error")]
    assert [found.credential.kind for found in observe.findings if found.rule == "raw-token-logged"] == ["service"]


def test_a_private_key_is_secret_and_its_public_key_is_not(observe):
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    log = logging.Logger("keys")
    log.addHandler(logging.StreamHandler(io.StringIO()))

    def view():
        token = jwt.encode({"sub": "ann"}, secret, "RS256")
        jwt.decode(token, public, algorithms=["RS256"])
        log.warning("public: %s", public)
        return "ok"

    def leak():
        log.warning("private: %s", secret.splitlines()[-4])
        return "ok"

    assert judged(observe, view) == []
    assert judged(observe, leak) == [("raw-token-logged", "error")]
