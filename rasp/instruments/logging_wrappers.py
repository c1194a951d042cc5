"""The wrappers around ``logging``, and which handlers write what they render.

The wrappers are compiled under the module name of logging, so that structlog's ``CallsiteParameterAdder`` skips them,
and its file name, which loguru's recipe for a handler compares; ``%(funcName)s`` is settled before they run.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Hashable
from types import ModuleType
from typing import Any, cast

from rasp.patching.patches import named_like

ACCESS_LOGGERS = frozenset(
    {"werkzeug", "gunicorn.access", "waitress.access", "wsgi", "cheroot.access", "uvicorn.access"}
)
_JUDGED_ELSEWHERE = ("sentry_sdk.", "opentelemetry.")
"""Packages whose handlers render for a report that is judged when it is sent."""
_NOT_FINAL = frozenset({"QueueHandler", "BufferingHandler", "MemoryHandler", "NullHandler"})

FORMAT = """
def format(self, record):
    try:
        text = original(self, record)
    except BaseException:
        tried(self)
        raise
    hits = found(self, record, text)
    if hits is None:
        return text
    masked = rendered(self, record, text, hits)
    return text if masked is None else masked
"""
OWN_FORMAT = """
def format(self, record):
    outer = begin(record)
    try:
        text = original(self, record)
    finally:
        finish(outer)
    hits = None if outer is record else found(self, record, text)
    if hits is None:
        return text
    masked = rendered(self, record, text, hits)
    return text if masked is None else masked
"""
HANDLE = """
def handle(self, record):
    if type(self) in rendering:
        return original(self, record)
    before = entered(self)
    try:
        result = original(self, record)
    except BaseException:
        left(self, before)
        raise
    if not left(self, before) and result:
        unrendered(self, record)
    return result
"""
LOG = """
def handle(self, record):
    try:
        original(self, record)
    finally:
        violation = owed(record)
    if violation is not None:
        raise violation
"""


@functools.lru_cache(maxsize=256)
def is_not_final(handler: Hashable) -> bool:
    """Whether what a handler of this class renders is rendered again elsewhere."""
    mro = cast("type", handler).__mro__
    return any(cls.__name__ in _NOT_FINAL or cls.__module__.startswith(_JUDGED_ELSEWHERE) for cls in mro)


@functools.lru_cache(maxsize=256)
def writes_what_it_formats(handler: Hashable) -> bool:
    """Whether a class writes to a stream as ``logging`` itself does: without a call of ``format``, it wrote nothing.

    A ``FileHandler`` of mode ``w`` that ``dictConfig`` or ``logging.shutdown`` has closed is called, and stays silent.
    """
    kind = cast("type[Any]", handler)
    own = issubclass(kind, sys.modules["logging"].StreamHandler)
    return own and kind.emit.__module__ in {"logging", "logging.handlers"}


def is_copy_for_tests(handler: Any, name: str) -> bool:
    """Whether a handler is one that pytest adds, of an app that has its own: those settle what is written."""
    if not _is_pytests(handler):
        return False
    logging = sys.modules["logging"]
    # Not by getLogger(): that takes logging's lock, and the handler's own is held here.
    logger = logging.root.manager.loggerDict.get(name, logging.root)
    while logger is not None:
        if any(not _is_pytests(other) and not isinstance(other, logging.NullHandler) for other in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def _is_pytests(handler: Any) -> bool:
    return any(cls.__module__ == "_pytest.logging" for cls in type(handler).__mro__)


def compiled(module: ModuleType, source: str, original: Any, **names: Any) -> Any:
    """A wrapper that call-site lookups take for a part of its library."""
    namespace: dict[str, Any] = {"__name__": module.__name__, "original": original, **names}
    file = module.__file__ or "<rasp>"
    code = getattr(original, "__code__", None)
    # At the original's own lines, so that a traceback through the wrapper shows where it stands.
    line = code.co_firstlineno if code is not None and code.co_filename == file else 2
    exec(compile("\n" * (line - 2) + source, file, "exec"), namespace)  # noqa: S102 - constant source
    made = next(value for name, value in namespace.items() if name in ("format", "handle", "_process_event"))
    return named_like(original, made)
