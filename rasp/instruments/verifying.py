"""What instruments of verifiers share: calls of which only the outermost counts, and what an app's callback accepts.

A library at work is quiet: what it does inside, with ``hmac`` or with another library, is not told a second time. An
app's own callback never is: it may do anything, and trust a token unchecked.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import KeyMaterial, Points, Seen
from rasp.instruments.kit import Kit, as_text, obey
from rasp.instruments.pyjwt import Depth
from rasp.ledger.value import LiveValue
from rasp.model import Kind, Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint, named_like


class Failed:
    """Stands for the result of a call that raised."""


FAILED = Failed()


def outermost(depth: Depth, seen: Seen) -> Make:
    """``seen`` is told of the outermost call: its arguments, and its result or ``FAILED``."""

    def make(original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if depth.now:
                return original(*args, **kwargs)
            depth.now = 1
            try:
                result = original(*args, **kwargs)
            except BaseException:
                depth.now = 0
                seen(args, kwargs, FAILED)
                raise
            depth.now = 0
            obey(seen(args, kwargs, result))
            return result

        return named_like(original, call)

    return make


def watched(seen: Seen) -> Make:
    """``seen`` is told of every call that returned, the app's callbacks in it included."""

    def make(original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            obey(seen(args, kwargs, result))
            return result

        return named_like(original, call)

    return make


class Calls(Points):
    """The patch points of one verifier library. Functions are also bound anew where they were imported by name."""

    def __init__(self, depth: Depth) -> None:
        super().__init__(depth)
        self._depth = depth

    def outermost(self, module: str, path: str, seen: Seen, *, optional: bool = True) -> None:
        """A call of which only the outermost counts."""
        self._add(module, path, outermost(self._depth, seen), optional)

    def watched(self, module: str, path: str, seen: Seen) -> None:
        """A call inside which the app's own callbacks run."""
        self._add(module, path, watched(seen))

    def _add(self, module: str, path: str, make: Make, optional: bool = True) -> None:
        def paired(original: Any) -> Any:
            return self._paired(path, original, make(original))

        self.all.append(PatchPoint(module, path, paired, optional=optional))

    def instrument(self, name: str, library: str, supported: str, *unreachable: str) -> Instrument:
        """The instrument of these points."""
        return Instrument(
            name=name,
            library=library,
            supported=supported,
            points=tuple(self.all),
            unreachable=unreachable,
            on_install=self.installed,
            on_uninstall=self.removed,
        )


class Acceptance:
    """What an app's own callback said of a presented credential, where no verifier has spoken."""

    def __init__(self, kit: Kit) -> None:
        self._ledger = kit.ledger
        self._material = kit.shared(KeyMaterial)

    def told(self, holder: str, success: bool, value: object) -> Verdict | None:
        """A callback was given a value, and accepted it or not."""
        text = as_text(value)
        scope = self._ledger.scopes.here()
        if not text or scope is None:
            return None
        live = self._ledger.values.get(text)
        if live is not None and (live not in scope.presented or self._is_settled(live)):
            return None
        return self._material.verified(holder, success, text)

    def told_alone(self, holder: str, success: bool) -> Verdict | None:
        """A callback was given the whole request: it concerns the only credential in it, if there is just one."""
        scope = self._ledger.scopes.here()
        if scope is None or not scope.has("presented"):
            return None
        own = [live for live in scope.presented if live.kind is not Kind.SESSION]
        return self.told(holder, success, own[0].text) if len(own) == 1 else None

    def _is_settled(self, live: LiveValue) -> bool:
        """Whether it was verified already, or trusted unchecked, which accepting it does not better."""
        scope = self._ledger.scopes.here()
        settled = ("verified", "attempted", "unverified")
        return scope is not None and any(scope.has(name) and live in getattr(scope, name) for name in settled)
