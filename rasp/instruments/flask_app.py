"""Flask itself: every app is served inside request scopes, and tells its route, view, secret key and packages."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

from rasp.instruments.flask_g import GDict
from rasp.instruments.kit import Kit, obey
from rasp.ledger.events import GFound
from rasp.ledger.places import code_of
from rasp.ledger.scopes import RequestScope
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like
from rasp.sources.wsgi import TOKEN

_DISPATCHERS = (
    "do_teardown_request", "do_teardown_appcontext", "process_response", "preprocess_request", "dispatch_request",
    "full_dispatch_request", "finalize_request", "handle_http_exception", "handle_user_exception", "handle_exception",
    "log_exception", "wsgi_app",
)  # fmt: skip


class AppHooks:
    """What is read off a Flask app once a request is routed."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._known: weakref.WeakKeyDictionary[Any, tuple[object, int]] = weakref.WeakKeyDictionary()
        self._latest: tuple[Any, object, int] = (_nothing, None, 0)
        self._context: Callable[[], Any] | None = None
        self._request_context: Callable[[], Any] | None = None

    def routed(self, app: Any, scope: RequestScope) -> Any:
        """The request is matched: where it goes, whose session it carries, and whether its ``g`` is fresh."""
        latest, secret, blueprints = self._latest
        if latest() is not app or app.config.get("SECRET_KEY") is not secret or len(app.blueprints) != blueprints:
            self._learn(app)
        context = self._context() if self._context is not None else self._learn_contexts()
        request = (context if self._request_context is None else self._request_context()).request
        environ = request.environ
        if scope.app is not None or environ.get(TOKEN) is not scope.mark:
            return None
        scope.app, scope.request = app, request
        rule = request.url_rule
        if rule is not None:
            scope.mark.callable = app.view_functions.get(rule.endpoint, scope.mark.callable)
        if self._kit.door.sampler is not None:
            # A rule itself has no hash.
            self._kit.door.sample(scope, None if rule is None else (rule.rule, rule.endpoint))
            if scope.unsampled:
                return None
        if "HTTP_COOKIE" in environ:
            self._kit.extractor.session_cookie(scope, environ, app.config.get("SESSION_COOKIE_NAME") or "session")
        if request.view_args:
            self._kit.extractor.route(scope, request.view_args)
        table = getattr(context.g, "__dict__", None)
        if isinstance(table, GDict) and table.epochs and table.origin is not None:
            return self._kit.pipeline.handle(GFound(table.epochs, scope))
        return None

    def _learn_contexts(self) -> Any:
        """Where this version of Flask keeps the app's context and the request's: from 3.2 on they are one."""
        contexts = vars(sys.modules["flask.globals"])
        context = contexts["_cv_app"].get()
        if not hasattr(context, "request"):
            self._request_context = contexts["_cv_request"].get
        self._context = contexts["_cv_app"].get
        return context

    def _learn(self, app: Any) -> None:
        """The app's secret key and packages, when they are new."""
        secret, blueprints = app.config.get("SECRET_KEY"), len(app.blueprints)
        self._latest = (weakref.ref(app), secret, blueprints)
        if self._known.get(app) == (secret, blueprints):
            return
        self._known[app] = (secret, blueprints)
        self._kit.ledger.own(app.secret_key, "config:SECRET_KEY")
        for key in app.config.get("SECRET_KEY_FALLBACKS") or ():
            self._kit.ledger.own(key, "config:SECRET_KEY_FALLBACKS")
        names = {app.import_name, *(blueprint.import_name for blueprint in app.blueprints.values())}
        self._kit.ledger.places.add_app(*names)


def call_is_flasks(call: Any) -> bool:
    """Whether ``__call__`` is Flask's own, which only goes on to ``wsgi_app``."""
    return getattr(call, "__module__", "") == "flask.app" and call.__name__ == "__call__"


def opens_scope(app: Any) -> bool:
    """Whether an app opens its request scope by itself, in a shorter way: its call is Flask's own, and wrapped."""
    call = type(app).__call__
    return getattr(call, "rasp_opens_scope", None) is call


def is_flasks(app: Any, name: str) -> bool:
    """Whether a method of an app is Flask's, so that nobody changes what it returns."""
    cls, flask = type(app), sys.modules["flask.app"].Flask
    return name not in app.__dict__ and (cls is flask or getattr(cls, name) is getattr(flask, name))


def _nothing() -> None:
    """A reference to no app yet."""


def instrument(kit: Kit) -> Instrument:
    """The instrument of ``flask.Flask``."""
    hooks = AppHooks(kit)
    routed = kit.guard.light("flask.routed", hooks.routed)
    answered = kit.guard.light("flask.answered", kit.door.answers.answered)
    door, current, raises = kit.door, kit.ledger.scopes.current, kit.config.raises

    def serve(original: Any) -> Any:
        straight = call_is_flasks(original)

        def wrapper(self: Any, environ: Any, start_response: Any) -> Any:
            if TOKEN in environ:
                return original(self, environ, start_response)
            if not raises and "wsgi_app" not in self.__dict__:
                found = getattr(type(self).wsgi_app, "rasp_direct", None)
                if found is not None and (straight or found is original):
                    return door.serve_flask(found.__get__(self), environ, start_response)
            return door.serve(original.__get__(self), environ, start_response)

        kit.ledger.places.add_walls(wrapper.__code__)
        replacement = named_like(original, wrapper)
        replacement.rasp_opens_scope = replacement  # what copies our attributes to wrap it is not it
        if getattr(original, "__module__", "") == "flask.app" and original.__name__ == "wsgi_app":
            replacement.rasp_direct = original  # what a call may go to at once, where nobody stands between
        return replacement

    def dispatch(original: Any) -> Any:
        flask = sys.modules["flask.app"].Flask

        def full_dispatch_request(self: Any, *args: Any, **kwargs: Any) -> Any:
            scope = current.get()
            if scope is not None and scope.app is None and not scope.ended:
                verdict = routed(self, scope)
                if verdict is not None:
                    obey(verdict)
                if scope.app is self:
                    # Without `*args`, which costs more than the rest, where the version of Flask gives none.
                    response = original(self, *args, **kwargs) if args or kwargs else original(self)
                    if scope.direct:
                        plain = type(self) is flask and "full_dispatch_request" not in self.__dict__
                        if plain or is_flasks(self, "full_dispatch_request"):
                            answered(scope, response)
                    return response
            return original(self, *args, **kwargs)

        return named_like(original, full_dispatch_request)

    def handle(original: Any) -> Any:
        def handle_exception(self: Any, *args: Any, **kwargs: Any) -> Any:
            response = original(self, *args, **kwargs)
            scope = current.get()
            # Without an app yet where the context could not be pushed, such as by a session that does not open.
            direct = scope is not None and scope.direct and not scope.ended and scope.app in (None, self)
            if direct and is_flasks(self, "handle_exception"):
                answered(scope, response)
            return response

        return named_like(original, handle_exception)

    def learn_dispatchers(module: ModuleType) -> None:
        codes: list[CodeType | None] = [code_of(getattr(module.Flask, name, None)) for name in _DISPATCHERS]
        context = getattr(module, "RequestContext", None)
        codes += [code_of(getattr(context, name, None)) for name in ("pop", "push")]
        kit.ledger.places.add_dispatchers(*(code for code in codes if code is not None))

    return Instrument(
        name="flask",
        library="flask",
        supported=">=2.2,<4",
        points=(
            PatchPoint("flask.app", "Flask.__call__", serve),
            PatchPoint("flask.app", "Flask.wsgi_app", serve),
            PatchPoint("flask.app", "Flask.full_dispatch_request", dispatch),
            PatchPoint("flask.app", "Flask.handle_exception", handle),
        ),
        on_install=learn_dispatchers,
    )
