"""An app behind middleware that writes access lines, inside servers that write none themselves."""

from flask import request
from threads import app


@app.get("/errors")
def errors():
    request.environ["wsgi.errors"].write(f"came with {request.headers['X-API-Key']}\n")  # here: errors
    return {"ok": True}


def translogged():
    from paste.translogger import TransLogger

    return TransLogger(app, setup_console_handler=True)


def asgi():
    from a2wsgi import WSGIMiddleware

    return WSGIMiddleware(app)
