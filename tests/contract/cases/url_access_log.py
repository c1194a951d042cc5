"""A key in the query stands in the server's access log; refused or not."""

import io
import logging
import threading
import urllib.request

from flask import Flask, request
from werkzeug.serving import make_server

KEY = "ua7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.get("/query")
def query():  # expect: raw-token-in-url
    return {"ok": bool(request.args["api_key"])}


@app.get("/refused")
def refused():  # expect: raw-token-in-url
    return {"ok": bool(request.args["api_key"])}, 401


def call(path, **headers):
    try:
        urllib.request.urlopen(urllib.request.Request(base + path, headers=headers), timeout=20).read()
    except urllib.error.HTTPError as refusal:
        refusal.read()


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app)
    base = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    call(f"/query?api_key={KEY}")
    call(f"/refused?api_key={KEY[::-1]}")
    server.shutdown()
