"""Every instrument, one line each."""

from __future__ import annotations

from rasp.instruments import (
    cachelib_caches,
    ctypes_native,
    flask_app,
    flask_caching_caches,
    flask_g,
    loguru_sinks,
    otel_spans,
    pyjwt,
    servers,
    stdlib_logging,
    structlog_events,
)
from rasp.instruments.caches import Depth
from rasp.instruments.ctypes_native import NativeHooks
from rasp.instruments.kit import Kit
from rasp.patching.installer import Instrument


def instruments(kit: Kit) -> tuple[list[Instrument], NativeHooks]:
    """All instruments of a runtime, and the hooks of native libraries."""
    native, native_hooks = ctypes_native.instrument(kit)
    depth, holders = Depth(), cachelib_caches.Holders()
    return [
        flask_app.instrument(kit),
        flask_g.instrument(kit),
        *servers.instruments(kit),
        stdlib_logging.instrument(kit),
        structlog_events.instrument(kit),
        loguru_sinks.instrument(kit),
        otel_spans.instrument(kit),
        cachelib_caches.instrument(kit, depth, holders),
        flask_caching_caches.instrument(kit, depth, holders),
        pyjwt.instrument(kit),
        native,
    ], native_hooks
