"""What goes out over HTTP, through each client: to whom it may go, whose it is, and whether it is encrypted."""

from __future__ import annotations

import io
import json
import logging

import pytest
from contract import KEY, flask_app
from flask import request
from http_senders import SENDERS, with_requests
from support.made_up import api_key, text
from support.upstream import certificate, resolve_to_loopback, upstream
from support.web import call

OTHER = api_key("another caller")
SERVICE = text("service", 36)


@pytest.fixture
def server(monkeypatch):
    resolve_to_loopback(monkeypatch)
    with upstream() as running:
        yield running
        running.settle()


@pytest.fixture
def secure(monkeypatch, tmp_path):
    resolve_to_loopback(monkeypatch)
    context, trust = certificate(tmp_path)
    with upstream(context) as running:
        running.trust = trust
        running.public = f"https://api.example.com:{running.port}"
        yield running
        running.settle()


@pytest.fixture(params=SENDERS)
def send(request):
    return SENDERS[request.param]


def app_that(act):
    """An app whose view sends with the key that its caller presented."""
    app = flask_app()

    @app.route("/", methods=["GET", "POST"])
    def view():
        return {"status": act(request.headers.get("X-API-Key", ""))}

    return app


def judged(installed, act, headers=None, **more):
    """(rule, severity) of what is found when a view does this, notes included."""
    call(app_that(act), "/", {"X-API-Key": KEY} if headers is None else headers, **more)
    return sorted((found.rule, found.severity.word) for found in installed.findings)


# RASP206


def test_a_gateway_relays_to_its_configured_upstream(install_rasp, secure, send):
    installed = install_rasp(allowed_hosts=["api.example.com"])
    assert judged(installed, lambda key: send("GET", secure.public, {"X-API-Key": key}, trust=secure.trust)) == []
    assert secure.seen[0].headers["x-api-key"] == KEY


def test_a_gateway_that_relays_elsewhere_is_told(install_rasp, secure, send):
    installed = install_rasp()
    found = judged(installed, lambda key: send("GET", secure.public, {"X-API-Key": key}, trust=secure.trust))
    assert found == [("raw-token-sent-elsewhere", "warning")]
    assert installed.findings[0].credential.source == "header:x-api-key"
    assert installed.findings[0].location.file.endswith("http_senders.py")
    assert installed.findings[0].trail[-1].slot == f"api.example.com:{secure.port}"


def test_introspection_of_the_callers_token_in_a_form(install_rasp, secure, send):
    """RFC 7662: the token goes in the body, to the authorization server, which is configured or is not."""

    def introspect(key):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return send("POST", f"{secure.public}/introspect", headers, f"token={key}".encode(), secure.trust)

    installed = install_rasp()
    assert judged(installed, introspect) == [("raw-token-sent-elsewhere", "warning")]


def test_introspection_by_a_configured_server_is_fine(install_rasp, secure, send):
    installed = install_rasp(allowed_hosts=[f"api.example.com:{secure.port}"])

    def introspect(key):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return send("POST", f"{secure.public}/introspect", headers, f"token={key}".encode(), secure.trust)

    assert judged(installed, introspect) == []


def test_the_apps_own_name_is_allowed_and_the_host_header_is_not(install_rasp, secure):
    installed = install_rasp()
    app = app_that(lambda key: with_requests("GET", secure.public, {"X-API-Key": key}, trust=secure.trust))
    call(app, "/", {"X-API-Key": KEY, "Host": "api.example.com"})
    assert [found.rule for found in installed.findings] == ["raw-token-sent-elsewhere"]
    app.config["SERVER_NAME"] = "api.example.com:8443"
    call(app, "/", {"X-API-Key": KEY, "Host": "api.example.com:8443"})  # Werkzeug 2.2 warns of any other
    assert len(installed.findings) == 1


def test_strict_stops_the_send(install_rasp, secure, send):
    install_rasp(mode="strict")
    app = app_that(lambda key: send("GET", secure.public, {"X-API-Key": key}, trust=secure.trust))
    with pytest.raises(Exception, match="RASP206"):
        call(app, "/", {"X-API-Key": KEY})
    assert secure.seen == []


def test_protect_sends_as_it_is(install_rasp, secure, send):
    install_rasp(mode="protect")
    call(
        app_that(lambda key: send("GET", secure.public, {"X-API-Key": key}, trust=secure.trust)),
        "/",
        {"X-API-Key": KEY},
    )
    assert secure.seen[0].headers["x-api-key"] == KEY


# A service key and webhooks


def test_the_apps_own_key_goes_to_its_api(install_rasp, secure, send):
    installed = install_rasp()
    installed.runtime.ledger.own(SERVICE, "env:PAYMENT_API_KEY")
    headers = {"Authorization": f"Bearer {SERVICE}"}
    assert judged(installed, lambda key: send("POST", secure.public, headers, b"{}", secure.trust)) == []


def test_the_apps_own_key_in_the_clear_is_told(install_rasp, server, send):
    installed = install_rasp()
    installed.runtime.ledger.own(SERVICE, "env:PAYMENT_API_KEY")
    headers = {"Authorization": f"Bearer {SERVICE}"}
    there = f"http://api.example.com:{server.port}"
    assert judged(installed, lambda key: send("POST", there, headers, b"{}")) == [("plaintext-credential", "error")]
    assert installed.findings[0].credential.kind == "service"


def test_in_the_background_the_apps_own_key_in_the_clear_is_told_too(install_rasp, server, send):
    installed = install_rasp()
    installed.runtime.ledger.own(SERVICE, "env:PAYMENT_API_KEY")
    assert send("POST", f"http://api.example.com:{server.port}", {"X-A": SERVICE}, b"{}") == 200
    assert installed.judged()[0][:2] == ("plaintext-credential", "error")
    assert len(installed.judged()) == 1


def test_a_webhook_without_a_credential_is_nothing(install_rasp, server, send):
    installed = install_rasp()
    installed.runtime.ledger.own(SERVICE, "env:HOOK_SECRET")
    there = f"http://api.example.com:{server.port}/hook?id=41"
    assert judged(installed, lambda key: send("POST", there, {"X-Signature": text("digest")}, b'{"a": 1}')) == []


@pytest.mark.parametrize(
    ("host", "severity"),
    [("ledger", "note"), ("ledger.internal", "note"), ("a.b.svc", "note"), ("a.example.org", "error")],
)
def test_inside_a_network_plaintext_is_a_note(install_rasp, monkeypatch, server, host, severity):
    resolve_to_loopback(monkeypatch, host)
    installed = install_rasp(allowed_hosts=[host])
    there = f"http://{host}:{server.port}"
    found = judged(installed, lambda key: with_requests("GET", there, {"X-API-Key": key}))
    assert found == [("plaintext-credential", severity)]


# RASP204


@pytest.mark.parametrize("host", ["127.0.0.1", "api.example.com"])
def test_a_value_in_the_url_is_told_of_once_and_alone(install_rasp, server, send, host):
    installed = install_rasp()
    there = f"http://{host}:{server.port}/a"
    found = judged(installed, lambda key: send("GET", f"{there}?api_key={key}", {"X-API-Key": key}))
    assert found == [("raw-token-in-url", "error")]


def test_a_value_in_the_path_and_the_apps_own_is_told(install_rasp, server, send):
    installed = install_rasp()
    installed.runtime.ledger.own(SERVICE, "env:BOT_TOKEN")
    found = judged(installed, lambda key: send("GET", f"{server.url}/bot{SERVICE}/send"))
    assert found == [("raw-token-in-url", "error")]


@pytest.mark.parametrize("name", ["urllib3", "requests", "httpx", "httpx2", "httpx-async"])
def test_a_fragment_is_not_sent(install_rasp, server, name):
    installed = install_rasp()
    assert judged(installed, lambda key: SENDERS[name]("GET", f"{server.url}/a#token={key}")) == []
    assert KEY not in str(server.seen)


@pytest.mark.parametrize("name", ["requests", "httpx", "httpx2", "httpx-async"])
def test_what_stands_before_the_at_counts(install_rasp, server, name):
    installed = install_rasp()
    found = judged(installed, lambda key: SENDERS[name]("GET", f"http://user:{key}@127.0.0.1:{server.port}/a"))
    assert found == [("raw-token-in-url", "error")]


# RASP302


def relay(installed, server, headers, answers=200):
    """Two callers; what the first one presented is sent out by the second one's request."""
    app, kept = flask_app(), []

    @app.get("/")
    def view():
        kept.append(request.headers.get("X-API-Key") or request.cookies.get("session"))
        with_requests("GET", server.url, {"Authorization": f"Bearer {kept[0]}"})
        return "ok", answers

    for header in headers:
        call(app, "/", header)
    return installed.judged()


def test_another_callers_key_sent_by_this_request_is_a_leak(observe, server):
    found = relay(observe, server, [{"X-API-Key": OTHER}, {"X-API-Key": KEY}])
    assert found == [("cross-request-leak", "error", "with_requests")]


def test_one_caller_twice_is_none(observe, server):
    assert relay(observe, server, [{"X-API-Key": OTHER}, {"X-API-Key": OTHER}]) == []


def test_an_internal_key_that_is_the_apps_own_is_none(observe, server):
    observe.runtime.ledger.own(OTHER, "env:INTERNAL_TOKEN")
    assert relay(observe, server, [{"X-API-Key": OTHER}, {"X-API-Key": KEY}]) == []


# OAuth


def oauth_app(server, kept):
    """A client of an authorization server: code exchange, use, refresh, as an app keeps the tokens by session."""
    app = flask_app(SECRET_KEY=text("secret key"))

    @app.get("/callback")
    def callback():
        from requests import post

        form = {"grant_type": "authorization_code", "code": request.args["code"]}
        kept.update(post(f"{server.url}/token", data=form, timeout=10).json())
        return "ok"

    @app.get("/profile")
    def profile():
        return {"status": with_requests("GET", server.url, {"Authorization": f"Bearer {kept['access_token']}"})}

    @app.get("/refresh")
    def refresh():
        from requests import post

        form = {"grant_type": "refresh_token", "refresh_token": kept["refresh_token"]}
        kept.update(post(f"{server.url}/token", data=form, timeout=10).json())
        with_requests("GET", server.url, {"Authorization": f"Bearer {kept['access_token']}"})
        return "ok"

    return app


def test_code_exchange_use_and_refresh_are_fine(install_rasp, server):
    installed = install_rasp(record=True)
    first = {"access_token": text("access one", 40), "refresh_token": text("refresh one", 40), "token_type": "Bearer"}
    second = {"access_token": text("access two", 40), "refresh_token": text("refresh two", 40), "token_type": "Bearer"}
    kept = {}
    app = oauth_app(server, kept)
    server.says("/token", first)
    assert call(app, "/callback?code=abc").status == "200 OK"
    assert call(app, "/profile").status == "200 OK"
    server.says("/token", second)
    assert call(app, "/refresh").status == "200 OK"
    assert kept == second
    assert installed.findings == []
    sources = [sorted(found.source for found in record.credentials) for record in installed.records()]
    both = ["answer:access_token", "answer:refresh_token"]
    assert sources == [both, [], both]


def test_a_granted_token_presented_by_its_caller_and_sent_for_it_is_linked(install_rasp, server):
    """The app hands the token to its caller, who presents it; later its session alone makes the app use it."""
    installed = install_rasp()
    granted = text("granted", 40)
    server.says("/token", {"access_token": granted, "token_type": "Bearer"})
    app = flask_app()

    @app.get("/login")
    def login():
        from requests import post

        return {"access_token": post(f"{server.url}/token", timeout=10).json()["access_token"]}

    @app.get("/use")
    def use():
        with_requests("GET", server.url, {"Authorization": f"Bearer {granted}"})
        return "ok"

    call(app, "/login", {"X-API-Key": KEY})
    call(app, "/use", {"Authorization": f"Bearer {granted}"})
    call(app, "/use", {"X-API-Key": KEY})
    assert installed.findings == []
    call(app, "/use", {"X-API-Key": OTHER})
    assert [found.rule for found in installed.findings] == ["cross-request-leak"]


def test_a_granted_token_in_a_log_is_found(install_rasp, server):
    installed = install_rasp()
    log = logging.Logger("granted")
    log.addHandler(logging.StreamHandler(io.StringIO()))
    server.says("/token", {"access_token": text("granted", 40), "token_type": "Bearer"})

    def act(key):
        from requests import post

        token = post(f"{server.url}/token", timeout=10).json()["access_token"]
        log.warning("granted %s", token)
        return 200

    assert judged(installed, act) == [("raw-token-logged", "error")]


def test_weak_names_stay_weak_and_other_answers_issue_nothing(install_rasp, server):
    installed = install_rasp(record=True)
    server.says(
        "/token", {"access_token": text("granted", 40), "key": text("a public key", 40), "csrf_token": text("c")}
    )
    server.says("/user", {"api_key": text("of a user", 40), "token": text("of something", 40)})

    def act(key):
        return with_requests("POST", f"{server.url}/token") + with_requests("GET", f"{server.url}/user")

    assert judged(installed, act) == []
    sources = [found.source for record in installed.records() for found in record.credentials]
    assert sources == ["header:x-api-key", "answer:access_token"]


def test_a_grant_answered_as_a_form_is_seen(install_rasp, server):
    installed = install_rasp(record=True)
    answer = f"access_token={text('granted', 40)}&scope=&token_type=bearer".encode()
    server.answers["/token"] = (200, {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, answer)
    assert judged(installed, lambda key: with_requests("POST", f"{server.url}/token")) == []
    sources = [found.source for record in installed.records() for found in record.credentials]
    assert sources == ["header:x-api-key", "answer:access_token"]


# Bodies, proxies, failures


def streams(library):
    def chunks():
        yield b"first "
        yield b"last"

    return chunks()


@pytest.mark.parametrize("name", ["http.client", "urllib", "urllib3", "requests", "httpx", "httpx2"])
def test_a_generator_reaches_the_server_whole(install_rasp, server, name):
    installed = install_rasp()
    headers = {"X-API-Key": KEY, "Content-Type": "text/plain"}
    if name == "urllib":
        headers["Content-Length"] = "10"
    assert judged(installed, lambda key: SENDERS[name]("POST", server.url, headers, streams(name))) == []
    assert server.seen[0].body == b"first last"


@pytest.mark.parametrize("name", ["http.client", "urllib3", "requests", "httpx", "httpx2", "aiohttp"])
def test_a_file_reaches_the_server_whole(install_rasp, server, name, tmp_path):
    installed = install_rasp()
    file = tmp_path / "report.bin"
    file.write_bytes(KEY.encode() + b"\0\xff" * 100)
    there = f"http://api.example.com:{server.port}"

    def act(key):
        with file.open("rb") as opened:
            return SENDERS[name]("POST", there, {"Content-Type": "text/plain"}, opened)

    judged(installed, act)
    assert server.seen[0].body == file.read_bytes()


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\0" * 40_000, "grüße ✓".encode() * 10, b"", b"(a+)+$" * 300, b"x" * 200_000]
)
def test_odd_bodies_arrive_as_they_are(install_rasp, server, send, body):
    installed = install_rasp()
    headers = {"X-API-Key": KEY, "Content-Type": "application/octet-stream"}
    assert judged(installed, lambda key: send("POST", server.url, headers, body)) == []
    assert server.seen[0].body == body
    assert installed.guard.failures == {}


def test_a_refused_connection_fails_as_without_rasp(install_rasp, send):
    def outcome():
        try:
            return send("GET", "http://127.0.0.1:9/a", {"X-API-Key": KEY})
        except OSError as error:
            return type(error)
        except Exception as error:
            return type(error)

    bare = outcome()
    installed = install_rasp()
    seen = []
    call(app_that(lambda key: seen.append(outcome()) or 0), "/", {"X-API-Key": KEY})
    assert seen == [bare]
    assert installed.findings == []


def test_https_through_a_proxy_is_not_plain_and_http_is(install_rasp, secure):
    from requests import Session

    installed = install_rasp(allowed_hosts=["api.example.com"])
    with upstream() as proxy:
        proxy.route = {"api.example.com": secure.port}

        def act(key, scheme="https"):
            with Session() as session:
                session.trust_env = False
                session.proxies = {"http": proxy.url, "https": proxy.url}
                there = f"{scheme}://api.example.com:{secure.port}/a"
                return session.get(there, headers={"X-API-Key": key}, verify=secure.trust, timeout=10).status_code

        assert judged(installed, act) == []
        assert [found.headers["x-api-key"] for found in secure.seen] == [KEY]
        assert proxy.tunnels == [f"api.example.com:{secure.port}"]
        assert judged(installed, lambda key: act(key, "http")) == [("plaintext-credential", "error")]
        assert proxy.seen[0].path == f"http://api.example.com:{secure.port}/a"
        proxy.settle()


@pytest.mark.parametrize("name", ["urllib", "urllib3", "httpx", "aiohttp"])
def test_a_proxy_is_not_the_host(install_rasp, secure, name, monkeypatch):
    installed = install_rasp(allowed_hosts=["api.example.com"])
    with upstream() as proxy:
        proxy.route = {"api.example.com": secure.port}

        def act(key):
            return through_proxy(name, proxy.url, secure, {"X-API-Key": key})

        assert judged(installed, act) == []
        assert [found.headers["x-api-key"] for found in secure.seen] == [KEY]
        proxy.settle()


def through_proxy(name, proxy, secure, headers):
    import asyncio
    import urllib.request

    import aiohttp
    import httpx
    import urllib3
    from http_senders import tls

    url = f"{secure.public}/a"
    if name == "urllib":
        handlers = (
            urllib.request.ProxyHandler({"https": proxy}),
            urllib.request.HTTPSHandler(context=tls(secure.trust)),
        )
        with urllib.request.build_opener(*handlers).open(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status
    if name == "urllib3":
        with urllib3.ProxyManager(proxy, ca_certs=secure.trust) as pool:
            return pool.request("GET", url, headers=headers).status
    if name == "httpx":
        with httpx.Client(proxy=proxy, verify=tls(secure.trust)) as client:
            return client.get(url, headers=headers).status_code

    async def send():
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers=headers, proxy=proxy, ssl=tls(secure.trust)) as answer,
        ):
            await answer.read()
            return answer.status

    return asyncio.run(send())


def test_a_json_body_of_the_callers_key_is_searched(install_rasp, secure, send):
    installed = install_rasp()
    body = json.dumps({"deep": [{"key": KEY}]}).encode()
    found = judged(installed, lambda key: send("POST", secure.public, {}, body, secure.trust))
    assert found == [("raw-token-sent-elsewhere", "warning")]
