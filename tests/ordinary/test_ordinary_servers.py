"""Servers that let callers in, and clients that are let in elsewhere: rasp has nothing to say."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
import threading

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, abort, redirect, request, session, url_for
from flask_httpauth import HTTPBasicAuth, HTTPTokenAuth
from ordinary.sites import basic, query, statuses
from support.made_up import api_key, text
from werkzeug.security import check_password_hash, generate_password_hash

log = logging.getLogger("api")


def digest(key):
    return hashlib.sha256(key.encode()).hexdigest()


def test_basic_and_token_auth(silence):
    app = Flask(__name__)
    passwords = {"ann": generate_password_hash("a pass phrase with 4 words", method="pbkdf2:sha256:1000")}
    tokens = {api_key("httpauth"): "ann"}
    by_password, by_token = HTTPBasicAuth(), HTTPTokenAuth()

    @by_password.verify_password
    def verify_password(user, password):
        return user if user in passwords and check_password_hash(passwords[user], password) else None

    @by_token.verify_token
    def verify_token(token):
        return next((user for known, user in tokens.items() if hmac.compare_digest(known, token)), None)

    @app.get("/basic")
    @by_password.login_required
    def basic_page():
        log.info("page for %s", by_password.current_user())
        return {"user": by_password.current_user(), "same": request.authorization.username}

    @app.get("/token")
    @by_token.login_required
    def token_page():
        return {"user": by_token.current_user()}

    silence.saw("header:authorization")
    user = silence.serve(app).browser()
    right = basic("ann", "a pass phrase with 4 words")
    assert user.get("/basic", Authorization=right).json() == {"user": "ann", "same": "ann"}
    assert user.get("/basic", Authorization=basic("ann", "a guess of 3 words")).status == 401
    assert user.get("/basic").status == 401
    assert user.get("/token", Authorization=f"Bearer {api_key('httpauth')}").json() == {"user": "ann"}
    assert user.get("/token", Authorization=f"Bearer {api_key('other')}").status == 401


def test_health_checks_with_a_shared_key(silence, monkeypatch):
    shared = text("health", 40)
    app = Flask(__name__)
    app.config["HEALTH_API_KEY"] = shared

    @app.get("/health")
    def health():
        if not hmac.compare_digest(request.headers.get("X-API-Key", ""), app.config["HEALTH_API_KEY"]):
            return {"status": "unknown caller"}, 403
        return {"status": "ok", "threads": threading.active_count() > 0}

    silence.saw("header:x-api-key")
    probe = silence.serve(app).browser()
    assert statuses(probe.together(*[lambda: probe.get("/health", X_API_Key=shared)] * 4)) == [200] * 4
    assert probe.get("/health").status == 403
    assert probe.get("/health", X_API_Key=text("wrong", 40)).status == 403


def authorization_server():
    """Issues opaque tokens, tells services about them (RFC 7662), revokes them (RFC 7009), and its public keys."""
    app = Flask(__name__)
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key()
    shown = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    known = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(public)) | {"kid": "first", "use": "sig", "alg": "RS256"}
    live = {}
    client = (text("client id", 20), text("client secret", 40))

    @app.before_request
    def client_only():
        sent = request.authorization
        if request.method == "POST" and (sent.username, sent.password) != client:
            abort(401)

    @app.post("/token")
    def token():
        made = secrets.token_urlsafe(32)
        live[digest(made)] = {"sub": "ann", "scope": "read", "client_id": client[0]}
        claims = {"sub": "ann", "exp": 4102444800}
        return {
            "access_token": made,
            "id_token": jwt.encode(claims, pem, "RS256", headers={"kid": "first"}),
            "token_type": "Bearer",
            "expires_in": 3600,
        }

    @app.post("/introspect")
    def introspect():
        found = live.get(digest(request.form["token"]))
        log.info("introspected a token of %s: %s", request.authorization.username, found)
        return {"active": True, **found} if found else {"active": False}

    @app.post("/revoke")
    def revoke():
        live.pop(digest(request.form["token"]), None)
        return ""

    @app.get("/.well-known/jwks.json")
    def jwks():
        log.info("public keys asked for: %s", known)
        return {"keys": [known]}

    @app.get("/public-key")
    def public_key():
        log.info("public key %s", shown)
        return {"key": shown, "kid": "first"}

    return app, basic(*client)


def test_introspection_revocation_and_public_keys(silence):
    app, authorization = authorization_server()
    silence.saw("header:authorization")
    service = silence.serve(app).browser()
    service.headers["Authorization"] = authorization
    made = service.post("/token").json()
    assert service.post("/introspect", {"token": made["access_token"]}).json()["sub"] == "ann"
    key = jwt.PyJWK(service.get("/.well-known/jwks.json").json()["keys"][0]).key
    assert jwt.decode(made["id_token"], key, algorithms=["RS256"])["sub"] == "ann"
    assert "BEGIN PUBLIC KEY" in service.get("/public-key").json()["key"]
    service.post("/revoke", {"token": made["access_token"]})
    service.post("/revoke", {"token": made["access_token"]})
    assert service.post("/introspect", {"token": made["access_token"]}).json() == {"active": False}
    assert service.post("/introspect", {"token": "x"}, Authorization=basic("eve", text("guess", 40))).status == 401


@pytest.mark.parametrize("library", ["requests", "httpx", "urllib3", "urllib"])
def test_a_gateway_relays_the_callers_token(silence, library):
    """A service behind it gets the caller's own token, and one that the gateway exchanged it for."""

    def answer(method, target, headers, body):
        return (200, {"who": digest(headers["Authorization"])[:12], "target": target, "sent": json.loads(body or "{}")})

    inner = silence.elsewhere(answer)
    app = Flask(__name__)

    def call(url, authorization):
        headers = {"Authorization": authorization, "X-Request-Id": secrets.token_hex(16)}
        if library == "requests":
            import requests

            return requests.get(url, headers=headers, timeout=20).json()
        if library == "httpx":
            import httpx

            return httpx.get(url, headers=headers, timeout=20).json()
        if library == "urllib3":
            import urllib3

            with urllib3.PoolManager() as pool:
                return json.loads(pool.request("GET", url, headers=headers).data)
        import urllib.request

        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as found:
            return json.load(found)

    @app.get("/orders/<number>")
    def orders(number):
        found = call(f"{inner.url}/orders?number={number}", request.headers["Authorization"])
        log.info("relayed %s to %s", number, inner.url)
        return found

    silence.saw("header:authorization")
    user = silence.serve(app).browser()
    token = "Bearer " + secrets.token_urlsafe(32)
    found = user.get("/orders/17", Authorization=token).json()
    assert found == {"who": digest(token)[:12], "target": "/orders?number=17", "sent": {}}
    others = [f"Bearer {secrets.token_urlsafe(32)}" for _ in range(4)]
    pages = user.together(*[lambda t=t: user.get("/orders/18", Authorization=t) for t in others])
    assert [page.json()["who"] for page in pages] == [digest(t)[:12] for t in others]


def test_an_oauth_login_with_authlib(silence):
    """The code flow with a provider of ours: redirect, exchange of the code, user data, refresh, logout."""
    tokens = {"n": 0}

    def answer(method, target, headers, body):
        if target.startswith("/authorize"):
            asked = query(target)
            return 302, f"{asked['redirect_uri']}?code={text('oauth code', 32)}&state={asked['state']}"
        if target.startswith("/token"):
            tokens["n"] += 1
            made = {f"{kind}_token": text(f"{kind} {tokens['n']}", 40) for kind in ("access", "refresh")}
            return 200, made | {"token_type": "Bearer", "expires_in": 3600 if tokens["n"] > 1 else -100}
        return 200, {"sub": "ann", "email": "ann@example.org", "sent": digest(headers["Authorization"])}

    from authlib.integrations.flask_client import OAuth

    provider = silence.elsewhere(answer)
    app = Flask(__name__)
    app.secret_key = text("oauth app", 40)
    stored = {}

    def update_token(name, token, refresh_token=None, access_token=None):
        stored["ann"] = token
        log.info("refreshed the token for %s", name)

    oauth = OAuth(app, fetch_token=lambda name: stored.get("ann"), update_token=update_token)
    oauth.register(
        "ours",
        client_id=text("oauth client", 20),
        client_secret=text("oauth secret", 40),
        access_token_url=provider.url + "/token",
        authorize_url=provider.url + "/authorize",
        api_base_url=provider.url,
        client_kwargs={"scope": "profile"},
    )

    @app.get("/login")
    def login():
        return oauth.ours.authorize_redirect(url_for("callback", _external=True))

    @app.get("/callback")
    def callback():
        stored["ann"] = oauth.ours.authorize_access_token()
        session["user"] = "ann"
        log.info("logged in; scopes %s", stored["ann"].get("scope"))
        return redirect(url_for("profile"))

    @app.get("/profile")
    def profile():
        found = oauth.ours.get("/userinfo").json()
        return {"user": session["user"], "email": found["email"]}

    @app.post("/logout")
    def logout():
        session.pop("user", None)
        stored.pop("ann", None)
        return redirect("/")

    silence.saw("cookie:session")
    user = silence.serve(app).browser()
    assert user.follow(user.get("/login")).json() == {"user": "ann", "email": "ann@example.org"}
    assert user.get("/profile").json()["email"] == "ann@example.org"
    assert tokens["n"] == 2
    assert statuses([user.post("/logout"), user.post("/logout")]) == [302, 302]
