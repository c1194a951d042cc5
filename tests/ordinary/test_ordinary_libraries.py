"""The libraries that see credentials, used as their manuals say: rasp has nothing to say."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
import time

import jwt
import pytest
import structlog
from cachelib import FileSystemCache, RedisCache, SimpleCache
from cachetools import TTLCache
from cryptography.fernet import Fernet
from flask import Flask, abort, g, jsonify, request, session
from flask_caching import Cache
from ordinary.sites import basic, statuses
from support.made_up import api_key, text
from support.made_up import jwt as made_up_jwt

log = logging.getLogger("libraries")
KEY = text("libraries signing", 40)
CLAIMS = {"sub": "ann", "exp": 4102444800, "iat": 1700000000}


def digest(value):
    return hashlib.sha256(value.encode()).hexdigest()


# Caches of claims under the token's digest: each as (get, set, delete).


class Mapping:
    """A plain mapping such as those of cachetools, behind a lock."""

    def __init__(self, found):
        self.found, self.lock = found, threading.Lock()

    def get(self, name):
        with self.lock:
            return self.found.get(name)

    def set(self, name, value):
        with self.lock:
            self.found[name] = value

    def delete(self, name):
        with self.lock:
            self.found.pop(name, None)


class Text:
    """A client that stores texts."""

    def __init__(self, client):
        self.client = client

    def get(self, name):
        found = self.client.get(name)
        return None if found is None else json.loads(found)

    def set(self, name, value):
        self.client.set(name, json.dumps(value))

    def delete(self, name):
        self.client.delete(name)


def dogpile():
    from dogpile.cache import make_region
    from dogpile.cache.api import NO_VALUE

    region = make_region().configure("dogpile.cache.memory")

    class Region:
        set, delete = staticmethod(region.set), staticmethod(region.delete)

        @staticmethod
        def get(name):
            found = region.get(name)
            return None if found is NO_VALUE else found

    return Region


def django_cache():
    from django.core.cache.backends.locmem import LocMemCache

    return LocMemCache("ordinary", {})


class Disk:
    """diskcache, which opens a connection for each thread: closed after each use."""

    def __init__(self, folder):
        import diskcache

        self.cache = diskcache.Cache(str(folder))
        self.cache.close()

    def get(self, name):
        with self.cache as cache:
            return cache.get(name)

    def set(self, name, value):
        with self.cache as cache:
            cache.set(name, value, expire=60)

    def delete(self, name):
        with self.cache as cache:
            cache.delete(name)


MAKES = {
    "cachelib": lambda folder, client: SimpleCache(),
    "cachelib on disk": lambda folder, client: FileSystemCache(str(folder)),
    "cachelib on redis": lambda folder, client: RedisCache(client),
    "cachetools": lambda folder, client: Mapping(TTLCache(100, 60)),
    "redis": lambda folder, client: Text(client),
    "dogpile": lambda folder, client: dogpile(),
    "diskcache": lambda folder, client: Disk(folder),
    "django": lambda folder, client: django_cache(),
    "flask-caching": lambda folder, client: Cache(config={"CACHE_TYPE": "SimpleCache"}),
}


@pytest.mark.parametrize("name", MAKES)
def test_claims_cached_under_the_digest_of_their_token(silence, tmp_path, redis_client, name):
    """Read by many requests at once, dropped at logout once and again, and read anew."""
    cache = MAKES[name](tmp_path / "cache", redis_client)
    app = Flask(__name__)
    if name == "flask-caching":
        cache.init_app(app)

    @app.before_request
    def load():
        token = request.headers.get("Authorization", "")[7:]
        g.name = "claims:" + digest(token)
        g.claims = cache.get(g.name)
        if g.claims is None:
            try:
                g.claims = jwt.decode(token, KEY, algorithms=["HS256"])
            except jwt.InvalidTokenError:
                abort(401)
            cache.set(g.name, g.claims)

    @app.get("/")
    def home():
        log.info("home of %s", g.claims["sub"])
        return {"sub": g.claims["sub"]}

    @app.post("/logout")
    def logout():
        cache.delete(g.name)
        return "", 204

    silence.saw("header:authorization")
    user = silence.serve(app).browser()
    user.headers["Authorization"] = f"Bearer {made_up_jwt('ann', KEY)}"
    assert user.get("/").json() == {"sub": "ann"}
    assert statuses(user.together(*[lambda: user.get("/")] * 4)) == [200] * 4
    assert statuses([user.post("/logout"), user.post("/logout"), user.get("/")]) == [204, 204, 200]
    assert user.get("/", Authorization="Bearer " + made_up_jwt("eve", KEY[::-1])).status == 401


# Libraries that verify tokens


def by_pyjwt(token):
    return jwt.decode(token, KEY, algorithms=["HS256"])


def by_joserfc(token):
    from joserfc import jwt as joserfc_jwt
    from joserfc.jwk import OctKey

    return joserfc_jwt.decode(token, OctKey.import_key(KEY), algorithms=["HS256"]).claims


def by_jose(token):
    from jose import jwt as jose_jwt

    return jose_jwt.decode(token, KEY, algorithms=["HS256"])


def by_authlib(token):
    import warnings

    with warnings.catch_warnings(record=True):  # authlib wants its own deprecation always shown
        from authlib.jose import JsonWebToken

        return JsonWebToken(["HS256"]).decode(token, KEY)


def by_peeking(token):
    """The issuer is read first, unverified, to find the key; then it is verified."""
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert jwt.decode(token, options={"verify_signature": False})["sub"]
    return jwt.decode(token, KEY, algorithms=["HS256"])


@pytest.mark.parametrize("verify", [by_pyjwt, by_joserfc, by_jose, by_authlib, by_peeking])
def test_tokens_that_are_verified(silence, verify):
    app = Flask(__name__)

    @app.get("/me")
    def me():
        claims = verify(request.headers["Authorization"][7:])
        log.info("claims %s", dict(claims))
        return jsonify(sub=claims["sub"])

    @app.errorhandler(500)
    def refused(error):
        return {"error": type(error.original_exception).__name__}, 401

    silence.saw("header:authorization")
    user = silence.serve(app).browser()
    assert user.get("/me", Authorization=f"Bearer {made_up_jwt('ann', KEY)}").json() == {"sub": "ann"}
    wrong = made_up_jwt("ann", KEY[::-1])
    if verify is not by_peeking or silence.mode == "observe":
        assert user.get("/me", Authorization=f"Bearer {wrong}").status == 401


def test_values_that_are_encrypted_for_a_cookie_and_a_table(silence):
    """Fernet over the caller's upstream token, which is kept encrypted, and never in the clear."""
    app = Flask(__name__)
    app.secret_key = text("fernet", 40)
    box = Fernet(Fernet.generate_key())
    kept = {}

    @app.post("/connect")
    def connect():
        token = request.get_json()["access_token"]
        kept["ann"] = box.encrypt(token.encode())
        session["upstream"] = digest(token)[:12]
        return {"connected": True}

    @app.get("/connected")
    def connected():
        return {"same": digest(box.decrypt(kept["ann"]).decode())[:12] == session["upstream"]}

    silence.saw("json:access_token", "cookie:session")
    user = silence.serve(app).browser()
    user.post("/connect", document={"access_token": text("upstream", 40), "scope": "read"})
    assert user.get("/connected").json() == {"same": True}


def test_processes_that_get_secrets_by_their_environment(silence):
    app = Flask(__name__)
    provider = text("provider key", 40)

    @app.post("/convert")
    def convert():
        user = request.authorization.username
        environ = {**os.environ, "PROVIDER_API_KEY": provider, "CALLER_DIGEST": digest(request.authorization.password)}
        script = "import os, sys; print(sys.argv[1], len(os.environ['PROVIDER_API_KEY']))"
        command = [sys.executable, "-S", "-c", script, f"--user={user}"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=20)
        log.info("ran %s", command)
        return {"said": done.stdout.strip()}

    silence.saw("header:authorization")
    user = silence.serve(app).browser()
    sent = basic("ann", text("convert password", 24))
    assert user.post("/convert", Authorization=sent).json() == {"said": "--user=ann 40"}


def test_errors_reported_to_sentry(silence):
    """With Sentry's own settings: it leaves out headers and values of variables by their names."""
    import sentry_sdk
    from sentry_sdk.integrations.flask import FlaskIntegration

    events = []

    class Transport(sentry_sdk.transport.Transport):
        def capture_envelope(self, envelope):
            events.append(envelope.get_event() or envelope.get_transaction_event())

    app = Flask(__name__)
    client = sentry_sdk.Client(
        dsn="https://0123456789abcdef@sentry.example/1",
        transport=Transport,
        integrations=[FlaskIntegration()],
        default_integrations=False,
        traces_sample_rate=1.0,
    )

    @app.get("/broken")
    def broken():
        api_key = request.headers["X-API-Key"]
        known = {digest(api_key): "ann"}
        raise RuntimeError(f"no plan for {known[digest(api_key)]}")

    @app.errorhandler(500)
    def failed(error):
        return {"event": sentry_sdk.last_event_id() is not None}, 500

    silence.saw("header:x-api-key")
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(client)
        sentry_sdk.get_global_scope().set_client(client)
        user = silence.serve(app).browser()
        assert user.get("/broken", X_API_Key=api_key("sentry")).status == 500
        client.close()
        sentry_sdk.get_global_scope().set_client(None)
    reported = [event["exception"]["values"][-1]["type"] for event in events if event and "exception" in event]
    assert reported == ["RuntimeError"]


def test_spans_and_structured_logs_of_an_api(silence):
    """Spans and events named by digest and user; processors that mask what is bound to the logger."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("ordinary")
    lines = []

    class Lines:
        def msg(self, message):
            lines.append(message)

        info = msg

    def mask(logger, name, event):
        return {key: "***" if key in ("api_key", "token") else value for key, value in event.items()}

    events = structlog.wrap_logger(Lines(), processors=[mask, structlog.processors.JSONRenderer()])
    app = Flask(__name__)

    @app.get("/data")
    def data():
        key = request.headers["X-API-Key"]
        with tracer.start_as_current_span("GET /data", attributes={"http.route": "/data"}) as span:
            span.set_attribute("enduser.id", digest(key)[:16])
            span.add_event("looked up", {"hit": True})
            events.info("data", api_key=key, user=digest(key)[:12])
        return {"spans": len(exporter.get_finished_spans())}

    silence.saw("header:x-api-key")
    user = silence.serve(app).browser()
    assert user.get("/data", X_API_Key=api_key("spans")).json() == {"spans": 1}
    assert json.loads(lines[0])["api_key"] == "***"
    provider.shutdown()


def test_an_assistant_that_asks_a_language_model(silence, monkeypatch):
    """Only callers who are known may spend the provider key; what they typed is sent on, and logged."""

    def answer(method, target, headers, body):
        assert headers["Authorization"] == f"Bearer {provider_key}"
        said = json.loads(body)["messages"][-1]["content"].upper()
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
        return 200, {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}

    import openai

    provider_key = "sk-proj-" + text("provider", 40)
    service = silence.elsewhere(answer)
    client = openai.OpenAI(api_key=provider_key, base_url=service.url, max_retries=0)
    app = Flask(__name__)

    @app.post("/ask")
    def ask():
        claims = jwt.decode(request.headers["Authorization"][7:], KEY, algorithms=["HS256"])
        question = request.get_json()["question"]
        log.info("%s asks %s", claims["sub"], question)
        found = client.chat.completions.create(model="m", messages=[{"role": "user", "content": question}])
        return {"answer": found.choices[0].message.content}

    silence.saw("header:authorization")
    user = silence.serve(app).browser()
    bearer = {"Authorization": "Bearer " + jwt.encode(CLAIMS | {"exp": int(time.time()) + 600}, KEY)}
    assert user.post("/ask", document={"question": "why?"}, **bearer).json() == {"answer": "WHY?"}
    client.close()
