"""Whole apps that do it right, as their libraries' documentation has it: nothing is found, not even a note."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import jwt
import pytest
from contract import flask_app
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from flask import jsonify, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
    set_access_cookies,
    set_refresh_cookies,
    unset_jwt_cookies,
)
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from jwt import PyJWKClient
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from support.made_up import SIGNING_KEY, text
from verifier_contract import LOUD, log_to_memory

SECRET = text("benign", 40)
HOOK_SECRET = text("webhook", 40)
CLAIMS = {"sub": "ann", "iat": 1700000000, "exp": 4102444800, "jti": text("jti", 32)}


@pytest.fixture
def clean(install_rasp):
    """rasp with every rule on; at the end nothing has been found."""
    installed = install_rasp(rules=LOUD, record=True, token_lifetime=3_000_000_000)
    yield installed
    assert [(found.rule, found.message, found.location.function) for found in installed.findings] == []
    assert installed.guard.failures == {}


def jwt_app(**settings):
    app = flask_app(JWT_SECRET_KEY=SECRET, **settings)
    JWTManager(app)

    @app.post("/login")
    def login():
        answer = jsonify(access_token=create_access_token("ann"), refresh_token=create_refresh_token("ann"))
        if settings:
            set_access_cookies(answer, answer.json["access_token"])
            set_refresh_cookies(answer, answer.json["refresh_token"])
        return answer

    @app.post("/refresh")
    @jwt_required(refresh=True)
    def refresh():
        answer = jsonify(access_token=create_access_token(get_jwt_identity(), fresh=False))
        if settings:
            set_access_cookies(answer, answer.json["access_token"])
        return answer

    @app.route("/me", methods=["GET", "POST"])
    @jwt_required()
    def me():
        return {"user": get_jwt_identity(), "known": len(get_jwt()["jti"])}

    @app.get("/maybe")
    @jwt_required(optional=True)
    def maybe():
        return {"user": get_jwt_identity()}

    @app.post("/logout")
    def logout():
        answer = jsonify(done=True)
        unset_jwt_cookies(answer)
        return answer

    return app


def test_flask_jwt_extended_in_headers(clean):
    client = jwt_app().test_client()
    pair = client.post("/login").json
    for _ in range(2):
        bearer = {"Authorization": f"Bearer {pair['access_token']}"}
        assert client.get("/me", headers=bearer).json == {"user": "ann", "known": 36}
        assert client.get("/maybe", headers=bearer).json == {"user": "ann"}
        refreshed = client.post("/refresh", headers={"Authorization": f"Bearer {pair['refresh_token']}"})
        pair["access_token"] = refreshed.json["access_token"]
    assert client.get("/maybe").json == {"user": None}
    assert client.get("/me", headers={"Authorization": f"Bearer {pair['refresh_token']}"}).status_code == 422
    assert clean.seen("flask_jwt_extended", "hmac") == []


def test_flask_jwt_extended_in_cookies_with_protection_against_forgery(clean):
    client = jwt_app(
        JWT_TOKEN_LOCATION=["cookies"], JWT_COOKIE_CSRF_PROTECT=True, JWT_COOKIE_SECURE=False
    ).test_client()
    given = client.post("/login").headers.getlist("Set-Cookie")
    cookies = dict(cookie.partition(";")[0].split("=", 1) for cookie in given)
    protection = {"X-CSRF-TOKEN": cookies["csrf_access_token"]}
    assert client.get("/me").json == {"user": "ann", "known": 36}
    assert client.post("/me", headers=protection).json == {"user": "ann", "known": 36}
    assert client.post("/me").status_code == 401
    again = {"X-CSRF-TOKEN": cookies["csrf_refresh_token"]}
    assert client.post("/refresh", headers=again).status_code == 200
    assert client.get("/me").json == {"user": "ann", "known": 36}
    client.post("/logout")
    assert client.get("/me").status_code == 401


def test_links_that_reset_a_password_and_confirm_an_address(clean):
    serializer, app, sent = URLSafeTimedSerializer(SECRET), flask_app(SECRET_KEY=SECRET), []

    @app.post("/forgot")
    def forgot():
        sent.append(serializer.dumps(request.form["email"], salt="reset"))
        return "sent"

    @app.route("/reset/<token>", methods=["GET", "POST"])
    @app.route("/reset", methods=["GET", "POST"])
    def reset(token=None):
        try:
            return serializer.loads(token or request.values["token"], salt="reset", max_age=10**9)
        except SignatureExpired:
            return "too late", 410
        except BadSignature:
            return "no", 400

    client = app.test_client()
    assert client.post("/forgot", data={"email": "ann@example.org"}).text == "sent"
    for ask in (
        lambda: client.get(f"/reset/{sent[0]}"),
        lambda: client.get("/reset", query_string={"token": sent[0]}),
        lambda: client.post("/reset", data={"token": sent[0], "password": "new and long enough"}),
    ):
        assert ask().text == "ann@example.org"
    assert client.get(f"/reset/{sent[0]}x").status_code == 400
    assert client.get("/reset/nothing").status_code == 400


def test_webhooks_whose_body_is_signed(clean):
    app, log = flask_app(), log_to_memory()

    @app.post("/github")
    def github():
        told = request.headers["X-Hub-Signature-256"].removeprefix("sha256=")
        right = hmac.new(HOOK_SECRET.encode(), request.get_data(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(told, right):
            return "forged", 403
        log.info("event %s", request.json["action"])
        return "taken"

    @app.post("/standard")
    def standard():
        scheme, signature = request.headers["Authorization"].split(" ", 1)
        right = hmac.digest(HOOK_SECRET.encode(), request.get_data(), "sha256").hex()
        same = hmac.compare_digest(signature, f'keyId="1",signature="{right}"')
        return ("taken", 200) if scheme == "Signature" and same else ("forged", 403)

    client, body = app.test_client(), json.dumps({"action": "opened"}).encode()
    right = hmac.digest(HOOK_SECRET.encode(), body, "sha256").hex()
    for signature, status in ((right, 200), ("0123456789abcdef" * 4, 403)):
        headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
        assert client.post("/github", data=body, headers=headers).status_code == status
    headers = {"Authorization": f'Signature keyId="1",signature="{right}"', "Content-Type": "application/json"}
    assert client.post("/standard", data=body, headers=headers).text in ("taken", "forged")


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


PRIVATE = {
    "RS256": (rsa.generate_private_key(public_exponent=65537, key_size=2048), RSAAlgorithm),
    "ES256": (ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
}


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_keys_in_pairs_and_the_public_ones_published(clean, algorithm):
    app, log = flask_app(), log_to_memory()
    private, library = PRIVATE[algorithm]
    text_of_key = pem(private)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @app.get("/.well-known/jwks.json")
    def jwks():
        return {"keys": [library.to_jwk(private.public_key(), as_dict=True) | {"kid": "1", "use": "sig"}]}

    @app.get("/key.pem")
    def key():
        log.info("published %s", public)
        return public

    @app.post("/token")
    def token():
        return {"access_token": jwt.encode(CLAIMS, text_of_key, algorithm, {"kid": "1"}), "expires_in": 600}

    @app.get("/me")
    def me():
        return jwt.decode(request.headers["Authorization"][7:], public, algorithms=[algorithm])

    client = app.test_client()
    made = client.post("/token").json["access_token"]
    assert client.get("/me", headers={"Authorization": f"Bearer {made}"}).json["sub"] == "ann"
    assert client.get("/.well-known/jwks.json", headers={"Authorization": f"Bearer {made}"}).json["keys"]
    assert client.get("/key.pem").text == public


@pytest.fixture
def published():
    """A server on a free port that publishes the public keys."""
    private, _ = PRIVATE["RS256"]
    keys = {"keys": [RSAAlgorithm.to_jwk(private.public_key(), as_dict=True) | {"kid": "1", "use": "sig"}]}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(keys).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join(20)
    server.server_close()


def test_a_client_that_fetches_public_keys(clean, published):
    app, keys = flask_app(), PyJWKClient(published)

    @app.get("/me")
    def me():
        token = request.headers["Authorization"].removeprefix("Bearer ")
        key = keys.get_signing_key_from_jwt(token)
        return jwt.decode(token, key, algorithms=["RS256"])

    token = jwt.encode(CLAIMS, pem(PRIVATE["RS256"][0]), "RS256", {"kid": "1"})
    for _ in range(2):
        answer = app.test_client().get("/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.json["sub"] == "ann"


def test_a_service_verifies_another_services_token_beside_its_callers(clean):
    """The caller's token is verified, and the one that a service of ours got elsewhere, at every request."""
    app = flask_app()
    ours = jwt.encode(CLAIMS | {"sub": "billing"}, SIGNING_KEY)

    @app.get("/me")
    def me():
        if request.args.get("first") != "service":
            caller = jwt.decode(request.headers["Authorization"][7:], SIGNING_KEY, algorithms=["HS256"])
        service = jwt.decode(ours, SIGNING_KEY, algorithms=["HS256"])
        if request.args.get("first") == "service":
            caller = jwt.decode(request.headers["Authorization"][7:], SIGNING_KEY, algorithms=["HS256"])
        return {"caller": caller["sub"], "service": service["sub"]}

    @app.get("/inner")
    def inner():
        return jwt.decode(request.headers["Authorization"][7:], SIGNING_KEY, algorithms=["HS256"])

    client = app.test_client()
    for name in ("ann", "bob"):
        token = jwt.encode(CLAIMS | {"sub": name}, SIGNING_KEY)
        for order in ("service", "caller"):
            answer = client.get(f"/me?first={order}", headers={"Authorization": f"Bearer {token}"})
            assert answer.json == {"caller": name, "service": "billing"}
        assert client.get("/inner", headers={"Authorization": f"Bearer {ours}"}).json["sub"] == "billing"
