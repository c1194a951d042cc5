"""WSGI apps that are not Flask."""

import logging
import sys

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
log = logging.getLogger("plain")


def app(environ, start_response):
    status = {"/denied": "401 Unauthorized"}.get(environ["PATH_INFO"], "200 OK")
    if environ["PATH_INFO"] == "/log":
        log.info("caller %s", environ.get("HTTP_X_API_KEY"))  # here: log
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"fine"]


if __name__ == "__main__":
    from wsgiref.simple_server import make_server

    with make_server("127.0.0.1", 0, app) as server:
        print(f"Serving on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
