"""A 404 of a Flask app: the access line's finding still has a place."""

import io
import logging
import threading
import urllib.error
import urllib.request

from flask import Flask
from werkzeug.serving import make_server

KEY = "nf7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())

if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    status = 200
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/nowhere?api_key={KEY}", timeout=20)
    except urllib.error.HTTPError as refusal:
        status = refusal.code
    assert status == 404
    server.shutdown()
