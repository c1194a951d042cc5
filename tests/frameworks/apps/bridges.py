"""The shop inside ASGI servers, over the bridges there are."""


def a2wsgi():
    from a2wsgi import WSGIMiddleware
    from shop import app

    return WSGIMiddleware(app)


def asgiref():
    from asgiref.wsgi import WsgiToAsgi
    from shop import app

    return WsgiToAsgi(app)
