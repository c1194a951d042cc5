"""A JSON body sent in chunks has no Content-Length; its members are credentials all the same."""

import http.client
import io
import logging
import threading

from flask import Flask, request
from werkzeug.serving import WSGIRequestHandler, make_server

KEY = "js8PoIuYt3ReWqAsDf7GhJk"
SECRETS = [KEY]

app = Flask(__name__)
logging.basicConfig(level=logging.WARNING, stream=io.StringIO())


@app.post("/json")
def member():
    app.logger.warning("json %s", request.json["api_key"])  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    caller = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    parts = [b'{"api_key": ', f'"{KEY}"}}'.encode()]
    caller.request("POST", "/json", iter(parts), {"Content-Type": "application/json"}, encode_chunked=True)
    caller.sock.settimeout(20)
    assert caller.getresponse().status == 200
    caller.close()
    server.shutdown()
