"""A key in the query stands in the server's access log where it was first seen in a header or is the service's."""

import io
import logging
import threading
import urllib.request

from flask import Flask, request
from werkzeug.serving import make_server

OTHER = "ub4Rt6Yu8Io2Pa7Sd9Fg1"
OWN = "uc9Mn3Bv6Cx1Zl8Kj5Hg2"
SECRETS = [OTHER, OWN]
ENV = {"SERVICE_API_KEY": "uc9Mn3Bv6Cx1Zl8Kj5Hg2"}

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.get("/header")
def header():
    return {"ok": bool(request.headers["X-API-Key"])}


@app.get("/known")
def known():  # expect: raw-token-in-url
    return {"ok": bool(request.args["api_key"])}


@app.get("/own")
def own():  # expect: raw-token-in-url
    return {"ok": bool(request.args["api_key"])}


def call(path, **headers):
    try:
        urllib.request.urlopen(urllib.request.Request(base + path, headers=headers), timeout=20).read()
    except urllib.error.HTTPError as refusal:
        refusal.read()


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app)
    base = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    call("/header", **{"X-API-Key": OTHER})
    call(f"/known?api_key={OTHER}")
    call(f"/own?api_key={OWN}")
    server.shutdown()
