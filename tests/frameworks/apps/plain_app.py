"""No framework at all: a clean page, one that logs the caller's key, and streams that do and do not."""

import logging
import sys

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
log = logging.getLogger("shop")


def app(environ, start_response):
    path = environ["PATH_INFO"]
    key = environ.get("HTTP_X_API_KEY")
    start_response("401 Unauthorized" if path == "/denied" else "200 OK", [("Content-Type", "text/plain")])
    if path.startswith("/stream/"):
        return stream(key, path)
    if path == "/log":
        log.info("caller %s", key)  # here: log
        return [b"logged"]
    log.info("page for %s", environ["REMOTE_ADDR"])
    return [b"fine"]


def stream(key, path):
    for number in range(3):
        yield f"{number}\n".encode()
    if path == "/stream/leaking":
        log.info("streamed to %s", key)  # here: stream
    yield b"end\n"
