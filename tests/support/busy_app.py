"""A Flask app that uses every library that rasp follows, and works the same with rasp and without."""

from __future__ import annotations

import ctypes
import hashlib
import io
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import structlog
from cachelib import FileSystemCache, SimpleCache
from flask import Blueprint, Flask, abort, g, redirect, request, send_file, session, stream_with_context
from flask_caching import Cache
from loguru import logger as loguru_logger
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from support.busy_reports import Reports
from support.made_up import SIGNING_KEY, api_key, text
from support.made_up import jwt as made_up_jwt
from support.web import environ, through_server

import rasp

KEY = api_key("busy")
TOKEN = made_up_jwt("busy")
SECRET_KEY = text("busy secret", 40)
HELD = text("busy held", 32)
SECRETS = (KEY, TOKEN, SIGNING_KEY, SECRET_KEY, HELD)
PAST = 4
"""How many requests, the last ones, do not go through Flask's own call."""
NATIVE = [{"library": "libc", "acquire": ["malloc"], "use": ["memset"], "release": ["free"]}]

libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
libc.memset.argtypes, libc.memset.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], ctypes.c_void_p
libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None


@dataclass
class Busy:
    """The app and all that it writes."""

    folder: Path
    app: Flask = field(init=False)
    log: io.StringIO = field(default_factory=io.StringIO)
    events: io.StringIO = field(default_factory=io.StringIO)
    lines: list[str] = field(default_factory=list)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reports: Reports = field(default_factory=Reports)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "page.txt").write_text("a page\n" * 200)
        os.utime(self.folder / "page.txt", (1_700_000_000, 1_700_000_000))
        self.app = Flask("busy_app")
        self.app.secret_key = SECRET_KEY
        self.memory = SimpleCache()
        self.disk = FileSystemCache(str(self.folder / "cache"))
        settings = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(self.folder / "flask_cache")}
        self.flask_cache = Cache(self.app, config=settings)
        self._loggers()
        self.app.register_blueprint(routes(self))

    def _loggers(self) -> None:
        handler = logging.StreamHandler(self.log)
        handler.setFormatter(WithoutFrames("%(levelname)s %(funcName)s:%(lineno)d %(message)s"))
        self.logger = logging.Logger("busy")
        self.logger.addHandler(handler)
        self.logger.addHandler(Sending(self.lines))
        self.app.logger.handlers[:] = [handler]
        self.app.logger.propagate = False
        self.structlog = structlog.wrap_logger(
            structlog.PrintLogger(self.events), processors=[structlog.processors.JSONRenderer()]
        )
        loguru_logger.remove()
        loguru_logger.add(lambda message: self.lines.append(str(message)), format="{function}:{line} {message}")
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("busy")

    def drive(self) -> list[bytes]:
        """All requests, through a server's own code, and some past Flask's own call; what callers get."""

        def any_app(environ: Any, start_response: Any) -> Any:
            return self.app.wsgi_app(environ, start_response)

        every = requests()
        return [through_server(any_app if at >= len(every) - PAST else self.app, made) for at, made in enumerate(every)]

    def written(self) -> Any:
        """Logs, events, lines and spans."""
        spans = [(span.name, dict(span.attributes or {}), [e.name for e in span.events]) for span in self.spans()]
        return self.log.getvalue(), self.events.getvalue(), list(self.lines), spans, self.reports.written()

    def spans(self) -> Any:
        return self.exporter.get_finished_spans()

    def close(self) -> None:
        """Lets go of what is global."""
        loguru_logger.remove()
        self.provider.shutdown()
        self.reports.close()


class WithoutFrames(logging.Formatter):
    """Of an exception only what it says: a traceback also shows who called whom."""

    def formatException(self, ei: Any) -> str:
        return f"{ei[0].__name__}: {ei[1]}"


class Sending(logging.Handler):
    """A handler that renders by itself."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def requests() -> list[dict[str, Any]]:
    """What callers ask for."""
    key, bearer = {"X-API-Key": KEY}, {"Authorization": f"Bearer {TOKEN}"}
    form = {"method": "POST", "body": f"api_key={KEY}&name=ann".encode(), "type": "application/x-www-form-urlencoded"}
    document = {"method": "POST", "body": b'{"access_token": "' + TOKEN.encode() + b'", "n": [1]}'}
    return [
        environ("/json", key),
        environ("/json", key, **document),
        environ("/form", **form),
        environ(f"/route/{KEY}?api_key={KEY}"),
        environ("/cookie", key | {"Cookie": "remember_token=" + text("remember", 40)}),
        environ("/logs", key | bearer),
        environ("/span", key),
        environ("/reports", key),
        environ("/cache", key),
        environ("/jwt", bearer),
        environ("/redirect", key),
        environ("/stream", key),
        environ("/file", key),
        environ("/inner", key),
        environ("/native", key),
        environ("/holds", key),
        environ("/forbidden", key),
        environ("/broken", key),
        environ("/nowhere", key),
        environ("/json", key, method="HEAD"),
    ]


def routes(busy: Busy) -> Blueprint:
    """The app's pages; the parts with more to do stand below."""
    pages = Blueprint("busy", "busy_app")

    @pages.before_request
    def load() -> None:
        g.api_key = request.headers.get("X-API-Key")

    @pages.teardown_request
    def forget(error: BaseException | None) -> None:
        g.pop("api_key", None)

    @pages.route("/json", methods=["GET", "POST"])
    def document() -> Any:
        return {"known": g.api_key == KEY, "sent": request.get_json(silent=True) is not None}

    @pages.post("/form")
    def form() -> Any:
        return {"fields": sorted(request.form)}

    @pages.get("/route/<auth_token>")
    def route(auth_token: str) -> Any:
        return {"same": auth_token == request.args["api_key"]}

    @pages.get("/cookie")
    def cookie() -> Any:
        session["user"] = "ann"
        response = busy.app.make_response(sorted(request.cookies))
        response.set_cookie("remember_token", text("remembered", 40))
        return response

    @pages.get("/redirect")
    def away() -> Any:
        return redirect("/login?next=%2F&key=" + g.api_key)

    @pages.get("/stream")
    def stream() -> Any:
        def rows() -> Any:
            yield "a,b\n"
            yield f"{g.get('api_key') == KEY},{request.path}\n"

        return busy.app.response_class(stream_with_context(rows()), mimetype="text/csv")

    @pages.get("/file")
    def file() -> Any:
        return send_file(busy.folder / "page.txt", etag=False, last_modified=None)

    @pages.get("/inner")
    def inner() -> Any:
        return busy.app.test_client().get("/json", headers={"X-API-Key": g.api_key}).get_data()

    @pages.get("/forbidden")
    def forbidden() -> Any:
        abort(403, "not this key")

    @pages.get("/broken")
    def broken() -> Any:
        raise ValueError(f"cannot serve {g.api_key}")

    pages.add_url_rule("/logs", "logs", lambda: log(busy))
    pages.add_url_rule("/span", "span", lambda: trace(busy))
    pages.add_url_rule("/reports", "reports", lambda: busy.reports.make(g.api_key))
    pages.add_url_rule("/cache", "cache", lambda: cache(busy))
    pages.add_url_rule("/jwt", "jwt", tokens)
    pages.add_url_rule("/native", "native", native)
    pages.add_url_rule("/holds", "holds", holds)
    return pages


def log(busy: Busy) -> Any:
    """Every logger, with the key and without."""
    for shown in (g.api_key, "nothing"):
        busy.logger.warning("came with %s", shown)
        busy.structlog.info("came", key=shown)
        loguru_logger.info("came with {}", shown)
    return {"ok": True}


def trace(busy: Busy) -> Any:
    """A span with the key in every place."""
    with busy.tracer.start_as_current_span("work", attributes={"first": g.api_key}) as span:
        span.set_attribute("key", g.api_key)
        span.set_attributes({"keys": ["a", g.api_key]})
        span.add_event("seen", {"key": g.api_key})
        span.update_name("worked")
        span.set_status(StatusCode.ERROR, f"refused {g.api_key}")
    return {"ok": True}


def cache(busy: Busy) -> Any:
    """Every cache, one by one and in bulk, by digest and by the raw key."""
    slot = hashlib.sha256(g.api_key.encode()).hexdigest()
    found = []
    for each in (busy.memory, busy.disk, busy.flask_cache):
        found += [each.set(slot, 1), each.get(slot), each.has(slot), each.add(slot, 2), each.delete(slot)]
        found += [each.delete(slot), each.set(g.api_key, 1), each.set_many({slot: 1, "a": 2})]
        found += [each.get_many(slot, "a"), each.get_dict("a"), sorted(each.delete_many(slot, "a")), each.clear()]
    return {"found": found}


def tokens() -> Any:
    """Verified, only decoded, refused and made."""
    token = request.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    try:
        jwt.decode(token, "another key that is quite long enough", algorithms=["HS256"])
    except jwt.InvalidSignatureError:
        claims = jwt.decode(token, SIGNING_KEY, algorithms=["HS256"])
    return {"access_token": jwt.encode(claims, SIGNING_KEY)}


def native() -> Any:
    """A handle of a C library, which is loaded again."""
    ctypes.CDLL(None)
    handle = libc.malloc(64)
    libc.memset(handle, 0, 64)
    libc.free(handle)
    return {"ok": bool(handle)}


def holds() -> Any:
    """rasp's own functions, which do nothing where it is not installed."""
    rasp.track(HELD, kind="single_use")
    with rasp.hold(HELD, "vault") as held:
        held.use()
    return {"ok": True}
