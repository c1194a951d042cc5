"""A client of an authorization server: code exchange, introspection, refresh, and what it must not log."""

import json
import logging
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs

import requests
from flask import Flask, request

GRANTS = [
    {"access_token": f"ac{n}7Jk2Lm9Qw4Er6Ty8Ui3Op5", "refresh_token": f"re{n}7Jk2Lm9Qw4Er6Ty8Ui3Op5", "token_type": "b"}
    for n in range(2)
]
FIRST = "ac07Jk2Lm9Qw4Er6Ty8Ui3Op5"
SECOND = "ac17Jk2Lm9Qw4Er6Ty8Ui3Op5"
SECRETS = [FIRST, SECOND, "re07Jk2Lm9Qw4Er6Ty8Ui3Op5", "re17Jk2Lm9Qw4Er6Ty8Ui3Op5"]

app = Flask(__name__)
log = logging.Logger("client")
kept = {}


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self.path == "/introspect":
            document = {"active": form["token"] == [FIRST]}
        else:
            document = GRANTS[form["grant_type"] == ["refresh_token"]]
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def ask(path, **form):
    return requests.post(f"http://127.0.0.1:{port}{path}", data=form).json()


@app.get("/callback")
def callback():
    kept.update(ask("/token", grant_type="authorization_code", code=request.args["code"]))
    return {"access_token": kept["access_token"]}


@app.get("/api")
def api():
    token = request.headers["Authorization"].removeprefix("Bearer ")
    return {"active": ask("/introspect", token=token)["active"]}


@app.get("/refresh")
def refresh():
    kept.update(ask("/token", grant_type="refresh_token", refresh_token=kept["refresh_token"]))
    log.info("now %s", kept["access_token"])  # expect: raw-token-logged
    ask("/introspect", token=kept["access_token"])
    return {}


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Server)
    port = server.server_address[1]
    Thread(target=server.serve_forever, daemon=True).start()
    log.addHandler(logging.FileHandler("app.log"))
    client = app.test_client()
    assert client.get("/callback?code=abc").json == {"access_token": FIRST}
    assert client.get("/api", headers={"Authorization": f"Bearer {FIRST}"}).json == {"active": True}
    assert client.get("/refresh").status_code == 200
    assert kept["access_token"] == SECOND
    server.shutdown()
