"""The public functions and classes, on top of the runtime of this process.

Importing them imports no stage: the runtime comes with ``install``, and until then they do nothing.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rasp import classes
from rasp.allowance import ALLOWED
from rasp.errors import ConfigError, NotConfigured

if TYPE_CHECKING:
    from rasp.model import Kind
    from rasp.runtime import Runtime

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def _installed() -> Runtime | None:
    """The runtime of this process, if one is installed and not off."""
    module = sys.modules.get("rasp.runtime")
    if module is None:
        for finder in tuple(sys.meta_path):
            pending = getattr(finder, "rasp_pending", None)
            if pending is not None:  # a start that was put off until something concerns rasp: see ``rasp.bootstrap``
                pending()
        module = sys.modules.get("rasp.runtime")
    found: Runtime | None = None if module is None else module.active()
    return found


def install(config: classes.Config | Mapping[str, Any] | None = None) -> None:
    """Installs the import-time wrappers. Idempotent; ``uninstall`` restores everything exactly.

    Args:
        config: settings that win over variables and files, as a mapping or a whole ``Config``.

    Raises:
        ConfigError: a setting is unknown, of the wrong type or out of range.
    """
    from rasp import runtime
    from rasp.config import Config, load

    runtime.install(config if isinstance(config, Config) or config is None else load(config))


def uninstall() -> None:
    """Takes every wrapper back and closes the reports."""
    module = sys.modules.get("rasp.runtime")
    if module is not None:
        module.uninstall()


class Middleware:
    """Any WSGI app inside request scopes (PEP 3333); transparent while rasp is not installed."""

    def __init__(self, wsgi_app: WSGIApp) -> None:
        self.wsgi_app = wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        installed = _installed()
        if installed is None:
            return self.wsgi_app(environ, start_response)
        return installed.door.serve(self.wsgi_app, environ, start_response)


class Rasp:
    """The Flask extension: installs rasp and wraps ``app.wsgi_app``."""

    def __init__(self, app: Any = None, config: classes.Config | Mapping[str, Any] | None = None) -> None:
        self._config = config
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Any) -> None:
        """Installs rasp and wraps one app; a second call for the same app changes nothing."""
        install(self._config)
        if "rasp" not in app.extensions:
            app.extensions["rasp"] = self
            app.wsgi_app = Middleware(app.wsgi_app)


def _kind(kind: str) -> Kind:
    from rasp.model import Kind

    try:
        return Kind(kind)
    except ValueError:
        raise ConfigError(f"kind = {kind!r} is not allowed; allowed: {', '.join(Kind)}") from None


def track(value: str, kind: str = "custom") -> classes.Credential | None:
    """Follows a credential that rasp could not see by itself.

    Args:
        value: the raw value.
        kind: api_key, bearer, jwt, basic, session, single_use, service or custom.

    Returns:
        what it is called in every output; ``None`` where rasp is not installed or the value is too weak to follow.

    Raises:
        ConfigError: the kind is unknown.
    """
    wanted = _kind(kind)
    installed = _installed()
    if installed is None:
        return None
    live = installed.guard.protect("api.track", installed.ledger.track)(value, wanted)
    return None if live is None else live.credential


class hold:  # noqa: N801 - a function that is a context manager too
    """The app's own holder took a credential into a slot; as a context manager it releases it in the end."""

    def __init__(self, value: str, slot: str) -> None:
        self._value = value
        self._slot = slot
        _handle("api.hold", "Held", value, slot)

    def use(self) -> None:
        """The holder uses the credential; after its release that is a finding (CWE-672)."""
        _handle("api.use", "HoldUsed", self._value, self._slot)

    def __enter__(self) -> hold:
        return self

    def __exit__(self, *exc: object) -> None:
        _handle("api.release", "HoldReleased", self._value, self._slot)

    def __repr__(self) -> str:
        return "<rasp.hold>"


def release(value: str, slot: str) -> None:
    """The app's own holder gave a credential back; a second time is a finding (CWE-1341)."""
    _handle("api.release", "HoldReleased", value, slot)


def _handle(hook: str, event: str, value: str, slot: str) -> None:
    """Takes an explicit hold's event, by the name of its class, through the pipeline."""
    installed = _installed()
    if installed is None:
        return
    from rasp.instruments.kit import obey
    from rasp.ledger import events

    frame = sys._getframe(2)

    def run() -> Any:
        path = installed.ledger.places.path(frame)
        return installed.pipeline.handle(getattr(events, event)(value, slot, path))

    obey(installed.guard.protect(hook, run)())


def _configured_key() -> str | None:
    from rasp.config import load

    return load().fingerprint_key


def fingerprint(value: str, digits: int = 32) -> str:
    """A name of a credential for cache keys and log fields, stable wherever the same key is configured.

    Args:
        value: the raw value.
        digits: hex digits, an even number from 2 to 128.

    Raises:
        NotConfigured: ``fingerprint_key`` is not set.
        ValueError: ``digits`` is out of range.
    """
    installed = _installed()
    key = installed.config.fingerprint_key if installed is not None else _configured_key()
    if key is None:
        raise NotConfigured("rasp.fingerprint needs the setting fingerprint_key: any secret text of 16 bytes or more")
    from rasp.ledger.fingerprints import fingerprinter

    name = fingerprinter(key.encode("utf-8"), digits)(value)
    if installed is not None:
        live = installed.ledger.values.get(value)
        if live is not None:
            installed.ledger.desk.slots.learn_digest(name, live)
    return name


def native_library(
    lib: Any,
    acquire: Sequence[str] = (),
    retain: Sequence[str] = (),
    use: Sequence[str] = (),
    release: Sequence[str] = (),
    thread_safe: bool | None = None,
) -> None:
    """Declares which functions of a loaded library handle its keys.

    Args:
        lib: a library of ``ctypes`` or cffi, or an extension module (C, Cython, pybind11, PyO3).
        acquire: functions that give out a handle; of a module also ``Class`` and ``Class.method``, here and below.
        retain: functions that add an owner to a handle.
        use: functions that are given a handle.
        release: functions that end one.
        thread_safe: whether two calls may have one handle at once; ``None`` leaves it open.

    Raises:
        ConfigError: it has no function of that name, a function cannot have its role, or ``lib`` is no library.
    """
    installed = _installed()
    if installed is None:
        return
    from rasp.declarations import NativeDeclaration
    from rasp.instruments.native_libraries import name_of

    declaration = NativeDeclaration(
        name_of(lib), tuple(acquire), tuple(retain), tuple(use), tuple(release), thread_safe
    )
    try:
        wrong = installed.native.declare(lib, declaration)
    except TypeError as error:
        raise ConfigError(f"rasp.native_library: {error}") from None
    if wrong:
        raise ConfigError(wrong[0])


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """A unit of work that is not a WSGI request: a command, a worker's job, a consumed message.

    Args:
        name: how it is called in reports, in place of a route.
    """
    installed = _installed()
    if installed is None:
        yield
        return
    from rasp.ledger.scopes import RequestScope

    unit = RequestScope("OTHER", None)
    unit.route = name
    token = installed.ledger.scopes.current.set(unit)
    try:
        yield
    except BaseException as error:
        installed.door.fail(unit, error)
        raise
    finally:
        installed.ledger.scopes.current.reset(token)
    installed.door.end(unit)


@contextlib.contextmanager
def allow(*rules: str, reason: str) -> Iterator[None]:
    """Inside, these rules find nothing: the code is known to be fine, for the reason given.

    Args:
        rules: names or ids.
        reason: why; for whoever reads the code next.

    Raises:
        RaspError: there is no such rule.
        ValueError: the reason is empty.
    """
    if not reason.strip():
        raise ValueError("rasp.allow needs a reason")
    from rasp.rules.table import find

    token = ALLOWED.set(ALLOWED.get() | {find(rule).name for rule in rules})
    try:
        yield
    finally:
        ALLOWED.reset(token)


def findings() -> list[classes.Finding]:
    """This process's findings so far, each defect once with its count."""
    installed = _installed()
    return [] if installed is None else installed.counting.snapshot()
