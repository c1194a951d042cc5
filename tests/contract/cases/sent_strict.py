"""In strict, what must not be sent is not; the app may go on, and its connection too."""

import http.client
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import requests
from flask import Flask, request

import rasp

KEY = "st7Jk2Lm9Qw4Er6Ty8Ui3Op5"
SECRETS = [KEY]
MODE = "strict"

app = Flask(__name__)
app.config["PROPAGATE_EXCEPTIONS"] = True
seen = []


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        seen.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@app.get("/requests")
def with_requests():
    query = {"api_key": request.headers["X-API-Key"]}
    requests.get(f"http://127.0.0.1:{port}/", params=query)  # expect: raw-token-in-url
    return {}


@app.get("/kept")
def kept():
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/before", headers={"X-API-Key": request.headers["X-API-Key"]})
    connection.getresponse().read()
    try:
        connection.request("GET", "/?api_key=" + request.headers["X-API-Key"])  # expect: raw-token-in-url
    finally:
        connection.request("GET", "/after", headers={"X-API-Key": request.headers["X-API-Key"]})
        connection.getresponse().read()
        connection.close()
    return {}


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Server)
    port = server.server_address[1]
    Thread(target=server.serve_forever, daemon=True).start()
    for path in ("requests", "kept"):
        try:
            app.test_client().get(f"/{path}", headers={"X-API-Key": KEY})
        except rasp.RawTokenInUrl:
            continue
        raise AssertionError(path)
    server.shutdown()
    assert seen == ["/before", "/after"], seen
