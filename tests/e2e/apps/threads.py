"""Requests that overlap, stream, or log from other threads."""

import asyncio
import concurrent.futures
import contextvars
import hashlib
import logging
import sys
import threading

from cachelib import SimpleCache
from flask import Flask, g, request, stream_with_context

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
log = logging.getLogger("threads")
app = Flask(__name__)
cache = SimpleCache()
entry_made, entry_gone = threading.Event(), threading.Event()
meeting, isolated = threading.Barrier(2, timeout=30), threading.Barrier(2, timeout=30)


def caller():
    return request.headers["X-API-Key"]


@app.get("/slow")
def slow():
    slot = hashlib.sha256(caller().encode()).hexdigest()
    cache.set(slot, {"plan": "free"})
    entry_made.set()
    entry_gone.wait(30)
    return {"deleted": cache.delete(slot)}  # here: concurrent-reuse


@app.get("/fast")
def fast():
    slot = hashlib.sha256(caller().encode()).hexdigest()
    entry_made.wait(30)
    deleted = cache.delete(slot)
    entry_gone.set()
    return {"deleted": deleted}


@app.get("/same")
def same():
    g.api_key = caller()
    meeting.wait()
    mine = g.pop("api_key") == caller()
    meeting.wait()
    return {"mine": mine}


@app.get("/isolated")
def isolation():
    isolated.wait()
    log.info("caller %s", caller())  # here: isolated
    isolated.wait()
    return {"ok": True}


@app.get("/once")
def once():
    return {"ticket": len(request.headers["X-Ticket"])}


@app.get("/endless")
def endless():
    g.api_key = caller()

    def body():
        try:
            while True:
                yield b"x" * 65536
        finally:
            g.pop("api_key")
            print("stream closed", flush=True)

    return stream_with_context(body()), {"Content-Type": "application/octet-stream"}


@app.get("/after")
def after():
    return {"left": g.get("api_key") is not None}


def background(key, mark):
    {"thread": in_thread, "pool": in_pool, "context": in_context, "asyncio": in_asyncio}[mark](key)


def in_thread(key):
    log.info("caller %s", key)  # here: thread


def in_pool(key):
    log.info("caller %s", key)  # here: pool


def in_context(key):
    log.info("caller %s", key)  # here: context


def in_asyncio(key):
    log.info("caller %s", key)  # here: asyncio


@app.get("/thread")
def thread():
    worker = threading.Thread(target=background, args=(caller(), "thread"))
    worker.start()
    worker.join()
    return {"ok": True}


@app.get("/pool")
def pool():
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        executor.submit(background, caller(), "pool").exception()
    return {"ok": True}


@app.get("/context")
def context():
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        executor.submit(contextvars.copy_context().run, background, caller(), "context").exception()
    return {"ok": True}


@app.get("/asyncio")
def with_asyncio():
    async def work():
        await asyncio.gather(asyncio.to_thread(background, caller(), "asyncio"), return_exceptions=True)

    asyncio.run(work())
    return {"ok": True}


@app.get("/query")
def query():  # here: query
    return {"ok": True}


@app.get("/header")
def header():  # here: header
    return {"ok": True}


@app.get("/both")
def both():  # here: both
    return {"ok": True}


@app.get("/refused")
def refused():  # here: refused
    return {"error": "no"}, 401
