"""The app's own key over plain http: to the outside, into a network, to this machine; and encrypted."""

import os
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import urllib3
from flask import Flask

KEY = "pa7Jk2Lm9Qw4Er6Ty8Ui3Op5"
SECRETS = [KEY]
ENV = {"PAYMENT_API_KEY": "pa7Jk2Lm9Qw4Er6Ty8Ui3Op5"}

app = Flask(__name__)
headers = {"Authorization": "Bearer " + os.environ["PAYMENT_API_KEY"]}
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *args, **kwargs: real("127.0.0.1", *args, **kwargs)


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


@app.get("/outside")
def outside():
    urllib3.request("GET", f"http://api.example.com:{port}/", headers=headers)  # expect: plaintext-credential
    return {}


@app.get("/network")
def network():
    urllib3.request("GET", f"http://payments:{port}/", headers=headers)  # note: plaintext-credential
    urllib3.request("GET", f"http://payments.shop.svc:{port}/", headers=headers)  # note: plaintext-credential
    return {}


@app.get("/here")
def here():
    urllib3.request("GET", f"http://localhost:{port}/", headers=headers)
    return {}


@app.get("/encrypted")
def encrypted():
    with httpx.Client(transport=httpx.MockTransport(lambda outgoing: httpx.Response(200))) as client:
        client.get("https://api.example.com/", headers=headers)
    return {}


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Server)
    port = server.server_address[1]
    Thread(target=server.serve_forever, daemon=True).start()
    for path in ("outside", "network", "here", "encrypted"):
        assert app.test_client().get(f"/{path}").status_code == 200, path
    server.shutdown()
