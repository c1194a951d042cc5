"""cffi: memory that holds a credential (``ffi.new``, ``ffi.from_buffer``), and ``ffi.gc`` and ``ffi.release``.

A destructor counts as a release, once. A second ``ffi.release`` does nothing in cffi, so it is graded as the idempotent
form. Reading released memory returns stale bytes without a word: ``ffi.string``, ``ffi.unpack`` and declared functions
that are given it are judged. Only the ``FFI`` of in-line modules can be followed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Protocol

from rasp.instruments.kit import Kit, obey
from rasp.instruments.native_calls import NativeCalls
from rasp.instruments.native_identity import Identities
from rasp.ledger.events import NativeAcquired, NativeReleasing, NativeUsed
from rasp.ledger.facts import Evidence, Fact, SecondRelease
from rasp.ledger.native_handles import Handle
from rasp.ledger.places import same_path
from rasp.model import Verdict
from rasp.patching.patches import PatchPoint, named_like

LIBRARY = "cffi"
LOOKED_AT = 8_192
"""Bytes of a buffer: a longer one is no credential."""


class Addresses(Protocol):
    """What knows the address of a pointer."""

    @property
    def handles(self) -> Any: ...


class MemoryHooks:
    """What happens to memory that cffi owns."""

    def __init__(self, kit: Kit, calls: NativeCalls, identities: Identities, addresses: Addresses) -> None:
        self._kit = kit
        self._calls = calls
        self._identities = identities
        self._addresses = addresses
        self._native = kit.ledger.native

    def taken(self, function: str, cdata: Any, content: object) -> None:
        """Memory was made that may hold a credential."""
        held = _content(content)
        if held is None or self._native.credential_of((held,)) is None:
            return
        path = self._kit.here(sys._getframe(1))
        event = NativeAcquired(LIBRARY, function, self._addresses.handles.address(cdata), (held,), path)
        handle = self._native.acquired(event)
        handle.attended = True
        self._identities.bind(cdata, handle)

    def guarded(self, cdata: Any, owned: Any) -> None:
        """``ffi.gc`` made another pointer that stands for the same handle."""
        handle = self._identities.of(cdata)
        if handle is not None and owned is not None:
            handle.attended = True
            self._identities.bind(owned, handle)

    def released(self, cdata: Any) -> Verdict | None:
        """``ffi.release``: of memory, or of a handle whose destructor runs then."""
        handle = self._identities.of(cdata)
        if handle is None:
            return None
        again = self._identities.end(cdata)
        if handle.library != LIBRARY and not again:
            return None  # its destructor will tell
        facts = self._release(handle)
        return self._kit.pipeline.respond(facts) if facts else None

    def _release(self, handle: Handle) -> Sequence[Fact]:
        path = self._kit.path(sys._getframe(1))
        event = NativeReleasing(handle.library, "release", handle.address, handle, declared=True, path=path)
        facts, release = self._native.releasing(event)
        if release is not None:
            if handle.library == LIBRARY:
                self._native.released(release, None)
            else:
                self._native.roll_back(release)
        for fact in facts:
            if isinstance(fact, SecondRelease):
                first, second = fact.trail[-2:]
                fact.evidence = Evidence.IDEMPOTENT
                fact.same_path = same_path(first.path, second.path)
        return facts

    def read(self, function: str, cdata: Any) -> Verdict | None:
        """Memory is read."""
        handle = self._identities.of(cdata)
        if handle is None:
            return None
        path = self._kit.here(sys._getframe(1))
        return self._kit.pipeline.handle(NativeUsed(handle.library, function, handle.address, handle, path))

    def points(self) -> tuple[PatchPoint, ...]:
        """The methods of the in-line ``FFI``."""
        return (
            PatchPoint("cffi.api", "FFI.new", self._new()),
            PatchPoint("cffi.api", "FFI.from_buffer", self._from_buffer()),
            PatchPoint("cffi.api", "FFI.gc", self._gc()),
            PatchPoint("cffi.api", "FFI.release", self._ffi_release()),
            PatchPoint("cffi.api", "FFI.string", self._reader("string")),
            PatchPoint("cffi.api", "FFI.unpack", self._reader("unpack")),
        )

    def _new(self) -> Any:
        taken = self._kit.hook("cffi.new", self.taken)

        def make(original: Any) -> Any:
            def new(self: Any, cdecl: Any, init: Any = None) -> Any:
                cdata = original(self, cdecl, init)
                if isinstance(init, (bytes, str)):
                    taken("new", cdata, init)
                return cdata

            return named_like(original, new)

        return make

    def _from_buffer(self) -> Any:
        taken = self._kit.hook("cffi.from_buffer", self.taken)

        def make(original: Any) -> Any:
            def from_buffer(self: Any, *args: Any, **kwargs: Any) -> Any:
                cdata = original(self, *args, **kwargs)
                taken("from_buffer", cdata, kwargs.get("python_buffer", args[1] if len(args) > 1 else args[:1]))
                return cdata

            return named_like(original, from_buffer)

        return make

    def _gc(self) -> Any:
        guarded = self._kit.hook("cffi.gc", self.guarded)
        quiet = self._calls.quiet

        def make(original: Any) -> Any:
            def gc(self: Any, cdata: Any, destructor: Any, *args: Any, **kwargs: Any) -> Any:
                known = quiet.get(destructor) if type(destructor) is _FUNCTION else None
                owned = original(self, cdata, destructor if known is None else known, *args, **kwargs)
                guarded(cdata, owned)
                return owned

            return named_like(original, gc)

        return make

    def _ffi_release(self) -> Any:
        released = self._kit.hook("cffi.release", self.released)

        def make(original: Any) -> Any:
            def release(self: Any, cdata: Any) -> Any:
                obey(released(cdata))
                return original(self, cdata)

            return named_like(original, release)

        return make

    def _reader(self, function: str) -> Any:
        read = self._kit.hook(f"cffi.{function}", self.read)

        def make(original: Any) -> Any:
            def reader(self: Any, cdata: Any, *args: Any, **kwargs: Any) -> Any:
                obey(read(function, cdata))
                return original(self, cdata, *args, **kwargs)

            return named_like(original, reader)

        return make


_FUNCTION = type(obey)


def _content(content: object) -> str | bytes | None:
    """What a buffer holds, up to the first zero byte."""
    if isinstance(content, tuple):
        content = content[0] if content else None
    if isinstance(content, str):
        return content
    if not isinstance(content, (bytes, bytearray, memoryview)):
        return None
    size = content.nbytes if isinstance(content, memoryview) else len(content)
    return bytes(content).partition(b"\0")[0] if size <= LOOKED_AT else None
