"""Every instrument, one line each."""

from __future__ import annotations

from rasp.instruments import (
    cachelib_caches,
    cffi_native,
    cryptography_keys,
    ctypes_native,
    deep_mode,
    extension_modules,
    flask_app,
    flask_caching_caches,
    flask_g,
    hmac_keys,
    loguru_sinks,
    otel_spans,
    password_hashes,
    pyjwt,
    pynacl_keys,
    servers,
    stdlib_logging,
    structlog_events,
    werkzeug_forms,
)
from rasp.instruments.caches import Depth
from rasp.instruments.key_material import KeyMaterial
from rasp.instruments.kit import Kit
from rasp.instruments.native_calls import NativeCalls
from rasp.instruments.native_identity import Identities
from rasp.instruments.native_libraries import NativeLibraries
from rasp.patching.installer import Instrument
from rasp.patching.local import Local

KEY_FAMILIES = (
    hmac_keys.instruments,
    cryptography_keys.instruments,
    password_hashes.instruments,
    pynacl_keys.instruments,
)


def instruments(kit: Kit) -> tuple[list[Instrument], NativeLibraries]:
    """All instruments of a runtime, and the door to native libraries."""
    native, native_hooks = ctypes_native.instrument(kit)
    calls = NativeCalls(kit)
    pointers = Identities(lambda handle: None, kit.config.quarantine)
    kit.ledger.native.followed = pointers.of
    objects = Identities(kit.ledger.native.ended, kit.config.quarantine)
    kit.ledger.native.on_fork += [pointers.after_fork, objects.after_fork]
    cffi, cffi_libraries = cffi_native.instrument(kit, calls, pointers)
    extensions, modules = extension_modules.instrument(kit, calls, objects)
    jwt_depth = pyjwt.Depth()
    material = KeyMaterial(kit, jwt_depth)
    depth, holders = Local(Depth), cachelib_caches.Holders()
    libraries = NativeLibraries(native_hooks, cffi_libraries, modules, calls)
    deep = []
    if kit.config.deep:
        instrument, libraries.deep = deep_mode.instrument(kit, calls)
        deep.append(instrument)
    return [
        flask_app.instrument(kit),
        flask_g.instrument(kit),
        werkzeug_forms.instrument(kit),
        *servers.instruments(kit),
        stdlib_logging.instrument(kit),
        structlog_events.instrument(kit),
        loguru_sinks.instrument(kit),
        otel_spans.instrument(kit),
        cachelib_caches.instrument(kit, depth, holders),
        flask_caching_caches.instrument(kit, depth, holders),
        pyjwt.instrument(kit, jwt_depth),
        native,
        *(entry for family in KEY_FAMILIES for entry in family(kit, material)),
        cffi,
        extensions,  # what it wraps others may have wrapped before: it is taken back first
        *deep,
    ], libraries
