"""Two requests whose log handlers let each other run, as a handler that writes to a socket does under gevent."""

import logging
import threading

from flask import Flask, request

app = Flask(__name__)
log = logging.getLogger("greenlets")
log.propagate = False
log.setLevel(logging.INFO)
clean_inside, leak_inside, clean_done = threading.Event(), threading.Event(), threading.Event()


class NoLock:
    """Lets several threads into a handler at once."""

    def acquire(self):
        return True

    def release(self):
        pass

    def __enter__(self):
        return True

    def __exit__(self, *exc):
        pass


class Slow(logging.Handler):
    def createLock(self):
        self.lock = NoLock()

    def emit(self, record):
        self.format(record)
        if request.path == "/clean":
            clean_inside.set()
            leak_inside.wait(30)
        else:
            leak_inside.set()
            clean_done.wait(30)


log.addHandler(Slow())


@app.get("/clean")
def clean():
    try:
        log.info("nothing")
    finally:
        clean_done.set()
    return {"ok": True}


@app.get("/leak")
def leak():
    clean_inside.wait(30)
    log.info("caller %s", request.headers["X-API-Key"])
    return {"ok": True}
