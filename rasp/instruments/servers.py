"""WSGI servers: the app each of them serves gets a request scope, also where it is no Flask app."""

from __future__ import annotations

from typing import Any

from rasp.instruments.kit import Kit
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like
from rasp.sources.wsgi import Door


class Served:
    """A WSGI app behind the door. Attributes are the app's own."""

    def __init__(self, app: Any, door: Door) -> None:
        self._rasp_app = app
        self._rasp_door = door

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self._rasp_door.serve(self._rasp_app, environ, start_response)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rasp_app, name)


def instruments(kit: Kit) -> list[Instrument]:
    """One for each server that runs in the app's own process."""
    door = kit.door

    def wrapped(app: Any) -> Any:
        return app if isinstance(app, Served) or not callable(app) else Served(app, door)

    serve = kit.hook("servers.app", wrapped)

    def result(original: Any) -> Any:
        def wsgi(self: Any, *args: Any, **kwargs: Any) -> Any:
            app = original(self, *args, **kwargs)
            return serve(app) or app

        return named_like(original, wsgi)

    def first_argument(original: Any) -> Any:
        def run(self: Any, application: Any, *args: Any, **kwargs: Any) -> Any:
            return original(self, serve(application) or application, *args, **kwargs)

        return named_like(original, run)

    return [
        Instrument("gunicorn", "gunicorn", ">=20", (PatchPoint("gunicorn.app.base", "BaseApplication.wsgi", result),)),
        Instrument(
            "wsgiref",
            "python",
            ">=3.11",
            (PatchPoint("wsgiref.handlers", "BaseHandler.run", first_argument),),
        ),
        Instrument(
            "waitress",
            "waitress",
            ">=2",
            (PatchPoint("waitress.server", "create_server", create_server(serve)),),
        ),
    ]


def create_server(serve: Any) -> Any:
    """The wrapper of waitress's factory, whose first argument is the app."""

    def make(original: Any) -> Any:
        def wrapper(application: Any, *args: Any, **kwargs: Any) -> Any:
            return original(serve(application) or application, *args, **kwargs)

        return named_like(original, wrapper)

    return make
