"""WSGI servers: the app each of them serves gets a request scope, also where it is no Flask app."""

from __future__ import annotations

from typing import Any

from rasp.instruments.flask_app import opens_scope
from rasp.instruments.kit import Kit
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, around
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
        if isinstance(app, Served) or not callable(app):
            return app
        return app if opens_scope(app) else Served(app, door)

    serve = kit.hook("servers.app", wrapped)

    def result(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        app = wrapped(*args, **kwargs)
        return serve(app) or app

    def first_argument(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if args:
            args = (serve(args[0]) or args[0], *args[1:])
        elif "application" in kwargs:
            kwargs = {**kwargs, "application": serve(kwargs["application"]) or kwargs["application"]}
        return wrapped(*args, **kwargs)

    return [
        Instrument(
            "gunicorn", "gunicorn", ">=20", (PatchPoint("gunicorn.app.base", "BaseApplication.wsgi", around(result)),)
        ),
        Instrument(
            "wsgiref",
            "python",
            ">=3.11",
            (PatchPoint("wsgiref.handlers", "BaseHandler.run", around(first_argument)),),
        ),
        Instrument(
            "waitress",
            "waitress",
            ">=2",
            (PatchPoint("waitress.server", "create_server", around(first_argument)),),
        ),
    ]
