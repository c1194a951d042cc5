"""Credentials that go into cryptographic code: recorded as used, and as verified by what verifies.

Shared by the instruments of hmac, cryptography, PyNaCl, bcrypt, argon2 and Werkzeug's password hashes. A value counts
only if it is one that rasp follows already, exactly; a digest of it or the signature at its end stands for it where two
texts are compared. Nothing is searched: a look-up in a dict per argument.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterable
from types import FrameType, ModuleType
from typing import Any

from rasp.instruments.kit import Kit, as_text, obey
from rasp.instruments.pyjwt import Depth
from rasp.instruments.rebinding import rebind
from rasp.ledger.events import Verified
from rasp.ledger.scopes import RequestScope
from rasp.ledger.value import DIGEST_LENGTHS, LiveValue
from rasp.model import Action, Verdict
from rasp.patching.patches import PatchPoint, named_like

LONGEST = 8_192
"""Bytes of an argument: a longer one is no credential."""
_OWN_INSTRUMENT = ("jwt",)
"""Packages whose comparisons their own instrument tells of."""

Seen = Callable[[Any, Any, Any], Any]
"""A hook: the call's positional and keyword arguments, and its result or whether it raised nothing."""


class KeyMaterial:
    """What happened to the values that a cryptographic function was given.

    ``quiet`` is set while a library is at work whose own instrument tells of it.
    """

    def __init__(self, kit: Kit) -> None:
        self.quiet = kit.shared(Depth)
        self._kit = kit
        self._ledger = kit.ledger
        self._values = kit.ledger.values

    def used(self, holder: str, *values: object) -> None:
        """The credentials among these were used."""
        scope = self._ledger.scopes.here()
        if scope is None:
            return
        for value in values:
            live = self.live(value)
            if live is not None:
                self._ledger.desk.occur(Action.USE, holder, None, self._kit.here(_frame()), live, scope)

    def live(self, value: object) -> LiveValue | None:
        """The credential that a value is, exactly."""
        text = _text(value)
        return self._values.get(text) if text else None

    def verified(self, holder: str, success: bool, *values: object) -> Verdict | None:
        """A verifier was given these: the credentials among them are verified, or somebody tried to."""
        scope = self._ledger.scopes.here()
        verdict: Verdict | None = None
        for text in dict.fromkeys(self._concerned(values, scope)):
            event = Verified(text, holder, success, attempted=True, jti=None, path=self._kit.here(_frame()))
            verdict = self._kit.pipeline.handle(event) or verdict
        return verdict

    def _concerned(self, values: Iterable[object], scope: RequestScope | None) -> Iterable[str]:
        for value in values:
            text = _text(value)
            if not text:
                continue
            if self._values.get(text) is not None or _is_candidate(text, scope):
                yield text

    def compared(self, holder: str, left: object, right: object, equal: bool) -> Verdict | None:
        """Two texts were compared in constant time: the credential that one of them is, or stands for, was verified."""
        scope = self._ledger.scopes.here()
        values = tuple(dict.fromkeys(text for text in (_text(left), _text(right)) if text))
        known = tuple(self._concerned(values, scope))
        if not equal and scope is not None:
            # A secret of the app's that a wrong key was compared with was not itself on trial.
            known = tuple(text for text in known if self._on_trial(text, scope))
        if known:
            return self.verified(holder, equal, *known)
        if scope is None:
            return None
        stands_for = next(filter(None, (self._derived(value, scope) for value in (left, right))), None)
        return None if stands_for is None else self.verified(holder, equal, stands_for)

    def _on_trial(self, text: str, scope: RequestScope) -> bool:
        live = self._values.get(text)
        return live is None or live in scope.presented

    def _derived(self, value: object, scope: RequestScope) -> str | None:
        """The presented credential of which a value is a digest, or the signature."""
        raw = value.encode("utf-8", "replace") if isinstance(value, str) else value
        if not isinstance(raw, (bytes, bytearray)) or not 16 <= len(raw) <= LONGEST:
            return None
        hexes = {bytes(raw).decode("latin-1").lower(), raw.hex()}
        for live in scope.presented:
            for digest in hexes:
                if digest in live.learnt or (len(digest) in DIGEST_LENGTHS and digest in live.digests(len(digest))):
                    return str(live.text)
        encoded = base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
        signatures = {encoded, bytes(raw).decode("latin-1")}
        candidates = scope.candidates if scope.has("candidates") else ()
        for text in (*(live.text for live in scope.presented), *candidates):
            if "." in text and text.rpartition(".")[2] in signatures and not _told_elsewhere():
                return str(text)
        return None

    def keyed(self, result: Any, *values: object) -> None:
        """A keyed digest was made of these: from now on it stands for the credential among them."""
        for value in values:
            live = self.live(value)
            if live is not None and len(live.learnt) < 16:
                digest = result.hex() if isinstance(result, bytes) else result.copy().hexdigest()
                if digest not in live.learnt:
                    self._ledger.desk.slots.learn_digest(digest, live)

    def owned(self, source: str, key: object) -> None:
        """A secret of the app's own: text, or bytes of which only hex and base64 can stand in a text."""
        if isinstance(key, (bytes, bytearray)) and not key.isascii():
            self._ledger.own(key.hex(), source)
            self._ledger.own(base64.urlsafe_b64encode(key).decode("ascii"), source)
            self._ledger.own(base64.b64encode(key).decode("ascii"), source)
        elif isinstance(key, (str, bytes, bytearray)):
            self._ledger.own(as_text(key), source)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value if len(value) <= LONGEST else None
    if isinstance(value, (bytes, bytearray)) and len(value) <= LONGEST:
        return bytes(value).decode("utf-8", "surrogateescape")
    return None


def _is_candidate(text: str, scope: RequestScope | None) -> bool:
    return scope is not None and scope.has("candidates") and text in scope.candidates


def _frame() -> FrameType:
    """A frame inside rasp, from which a walk begins: it skips what is no app code."""
    return sys._getframe(1)


def _told_elsewhere() -> bool:
    """Whether the comparison is made inside a library whose own instrument tells of it."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(12):
        if frame is None:
            return False
        name = str(frame.f_globals.get("__name__", ""))
        if not name.startswith("rasp."):
            return name.partition(".")[0] in _OWN_INSTRUMENT
        frame = frame.f_back
    return False


class Points:
    """The patch points of one library; its functions are also bound anew where they were imported by name."""

    def __init__(self, quiet: Depth) -> None:
        self._quiet = quiet
        self.all: list[PatchPoint] = []
        self._pairs: list[tuple[object, object]] = []

    def after(self, module: str, path: str, seen: Seen) -> None:
        """``seen`` is told of a call that returned, with its result."""

        quiet = self._quiet

        def make(original: Any) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                result = original(*args, **kwargs)
                if quiet.now:
                    return result
                obey(seen(args, kwargs, result))
                return result

            return self._paired(path, original, named_like(original, call))

        self.all.append(PatchPoint(module, path, make, optional=True))

    def verifying(self, module: str, path: str, seen: Seen) -> None:
        """``seen`` is told of a call, with whether it returned; what it raises says no."""

        def make(original: Any) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                try:
                    result = original(*args, **kwargs)
                except BaseException:
                    seen(args, kwargs, False)
                    raise
                obey(seen(args, kwargs, True))
                return result

            return self._paired(path, original, named_like(original, call))

        self.all.append(PatchPoint(module, path, make, optional=True))

    def _paired(self, path: str, original: object, replacement: object) -> object:
        if "." not in path:
            self._pairs.append((original, replacement))
        return replacement

    def installed(self, module: ModuleType) -> None:
        """Names that other modules imported before."""
        rebind(self._pairs, module)

    def removed(self) -> None:
        """And names that they imported since."""
        rebind((replacement, original) for original, replacement in self._pairs)
        self._pairs.clear()


def argument(args: Any, kwargs: Any, at: int, name: str) -> Any:
    """An argument by its place or name; ``None`` where it was not given."""
    return kwargs[name] if name in kwargs else args[at] if len(args) > at else None
