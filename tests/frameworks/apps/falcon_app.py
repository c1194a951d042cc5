"""Falcon: a clean page, one that logs the caller's key, and streams that do and do not."""

import logging
import sys

import falcon

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
log = logging.getLogger("shop")


class Clean:
    def on_get(self, req, resp):
        log.info("clean page for %s", req.remote_addr)
        resp.text = "fine"


class Leak:
    def on_get(self, req, resp):
        log.info("caller %s", req.get_header("X-API-Key"))  # here: log
        resp.text = "logged"


class Stream:
    def on_get(self, req, resp, kind):
        resp.stream = self.produce(req, kind)

    def produce(self, req, kind):
        for number in range(3):
            yield f"{number}\n".encode()
        if kind == "leaking":
            log.info("streamed to %s", req.get_header("X-API-Key"))  # here: stream
        yield b"end\n"


class Denied:
    def on_get(self, req, resp):
        raise falcon.HTTPUnauthorized(title="no")


app = falcon.App()
app.add_route("/clean", Clean())
app.add_route("/log", Leak())
app.add_route("/stream/{kind}", Stream())
app.add_route("/denied", Denied())
