"""Where no view matched, an access line with a key in its URL is located at the WSGI callable, here the app's own."""

import io
import logging
import threading
import urllib.error
import urllib.request

from flask import Flask

KEY = "nn7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

inner = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


def application(environ, start_response):  # expect: raw-token-in-url
    return inner(environ, start_response)


if __name__ == "__main__":
    from wsgiref.simple_server import WSGIRequestHandler
    from wsgiref.simple_server import make_server as reference

    class Logged(WSGIRequestHandler):
        def log_message(self, pattern, *arguments):
            logging.getLogger("werkzeug").info(pattern, *arguments)

    server = reference("127.0.0.1", 0, application, handler_class=Logged)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    status = 200
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/nowhere?api_key={KEY}", timeout=20)
    except urllib.error.HTTPError as refusal:
        status = refusal.code
    assert status == 404
    server.shutdown()
