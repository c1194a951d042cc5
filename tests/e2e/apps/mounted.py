"""The shop inside other apps: below a path of a dispatcher, inside an ASGI server, behind rasp's own middleware."""

from flask import Flask
from shop import app as shop
from werkzeug.middleware.dispatcher import DispatcherMiddleware


def nowhere(environ, start_response):
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return []


dispatched = DispatcherMiddleware(nowhere, {"/shop": shop})

front = Flask("front")
front.wsgi_app = DispatcherMiddleware(front.wsgi_app, {"/shop": shop.wsgi_app})


def asgi():
    from a2wsgi import WSGIMiddleware

    return WSGIMiddleware(shop)
