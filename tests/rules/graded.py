"""One fact for each grading that the contract names, with the rule, severity and CWE that it must get."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from support.made_up import api_key

from rasp.ledger import facts
from rasp.ledger.facts import Evidence, Fact
from rasp.ledger.fingerprints import fingerprinter
from rasp.ledger.scopes import Occurrence, RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Action, Kind

KEY = api_key("graded")
_DEFAULT = {
    Action.ACQUIRE: "flask.g",
    Action.USE: "flask.g",
    Action.RELEASE: "flask.g",
    Action.EXPOSE: "logging",
    Action.VERIFY: "pyjwt",
}


@dataclass(frozen=True)
class Graded:
    """``build(live, scope, path)`` makes the fact."""

    name: str
    rule: str
    severity: str
    kind: type[Fact]
    actions: str = "expose"
    options: dict[str, Any] = field(default_factory=dict)
    cwe: int = 0
    short: bool = False
    of: Kind = Kind.API_KEY
    holder: str = ""

    def fact(self, scope: RequestScope | None = None, path: Any = (), live: LiveValue | None = None) -> Fact:
        """The fact, of a credential of its own unless one is given."""
        if live is None:
            live = LiveValue(KEY, self.of, "header:x-api-key", fingerprinter(b"k" * 16))
            live.short = self.short
        trail = tuple(self._occurrence(Action(word), scope, path, live) for word in self.actions.split())
        return self.kind(live=live, trail=trail, scope=scope, **self.options)

    def _occurrence(self, action: Action, scope: RequestScope | None, path: Any, live: LiveValue) -> Occurrence:
        mark = None if scope is None else scope.mark
        holder = self.holder or _DEFAULT[action]
        return Occurrence(action, holder, "slot", path, mark, threading.current_thread(), time.perf_counter(), live)


CERTAIN, IDEMPOTENT = {"evidence": Evidence.CERTAIN}, {"evidence": Evidence.IDEMPOTENT}
TWICE, ONCE = "acquire release release", "acquire release use"
NATIVE = {"native": True}
ANSWER, ARGV, STORED = {"sink": "response"}, {"sink": "argv"}, {"sink": "stored"}
NOTED, SHORT, UNDECLARED = {"noted": True}, {"short": True}, {"declared": False}
G, EXPOSED = facts.SecondRelease, facts.Exposure

GRADED = [
    Graded("certain", "double-release", "error", G, TWICE, CERTAIN, 1341),
    Graded("native", "double-release", "error", G, TWICE, CERTAIN | NATIVE, 415, holder="native.lib"),
    Graded("native, short", "double-release", "error", G, TWICE, CERTAIN | NATIVE, 415, short=True),
    Graded("idempotent, other path", "double-release", "warning", G, TWICE, IDEMPOTENT, 1341),
    Graded("idempotent, same path", "double-release", "note", G, TWICE, IDEMPOTENT | {"same_path": True}, 1341),
    Graded("certain, short", "double-release", "warning", G, TWICE, CERTAIN, 1341, short=True),
    Graded("hold", "use-after-release", "error", facts.UsedAfterRelease, ONCE, {}, 672),
    Graded("native", "use-after-release", "error", facts.UsedAfterRelease, ONCE, NATIVE, 416, holder="native.lib"),
    Graded("wiped", "use-after-release", "error", facts.UsedAfterRelease, ONCE, {"wiped": True}, 672),
    Graded("cache", "release-without-acquire", "note", facts.ReleasedUnacquired, "release", {}, 763),
    Graded("native", "release-without-acquire", "warning", facts.ReleasedUnacquired, "release", NATIVE, 763),
    Graded("libc", "release-without-acquire", "note", facts.ReleasedUnacquired, "release", NATIVE | UNDECLARED, 763),
    Graded("request", "never-released", "warning", facts.LeftHeld, "acquire", {}, 772),
    Graded("native", "never-released", "warning", facts.LeftHeld, "acquire", NATIVE, 772),
    Graded("exit", "never-released", "note", facts.LeftHeld, "acquire", NATIVE | {"at_exit": True}, 772),
    Graded("hold", "inconsistent-release", "warning", facts.LeftOnError, "acquire release acquire", {}, 459),
    Graded("native", "inconsistent-release", "warning", facts.LeftOnError, "acquire release acquire", NATIVE, 459),
    Graded("cache", "inconsistent-release", "note", facts.LeftOnError, "acquire release acquire", {"cache": True}, 459),
    Graded("log", "raw-token-logged", "error", EXPOSED, options={"sink": "log"}, cwe=532),
    Graded("log, short", "raw-token-logged", "warning", EXPOSED, options={"sink": "log", "short": True}, cwe=532),
    Graded("own emit", "raw-token-logged", "warning", EXPOSED, options={"sink": "log", "lowered": True}, cwe=532),
    Graded("access log", "raw-token-logged", "error", EXPOSED, options={"sink": "access_log"}, cwe=532),
    Graded("key", "raw-token-as-key", "warning", facts.RawKey, "acquire", {}, 922),
    Graded("session store", "raw-token-as-key", "note", facts.RawKey, "acquire", {"session_store": True}, 922),
    Graded("key, short", "raw-token-as-key", "note", facts.RawKey, "acquire", {"short": True}, 922),
    Graded("span", "raw-token-in-telemetry", "error", EXPOSED, options={"sink": "telemetry"}, cwe=532),
    Graded("report", "raw-token-in-telemetry", "error", EXPOSED, options={"sink": "report"}, cwe=532),
    Graded("redirect", "raw-token-in-url", "error", EXPOSED, options={"sink": "redirect"}, cwe=598),
    Graded("outbound", "raw-token-in-url", "error", EXPOSED, options={"sink": "outbound_url"}, cwe=598),
    Graded("line", "raw-token-in-url", "error", EXPOSED, options={"sink": "access_log", "in_url": True}, cwe=598),
    Graded(
        "ticket", "raw-token-in-url", "note", EXPOSED, options={"sink": "access_log", "in_url": True}, cwe=598,
        of=Kind.SINGLE_USE,
    ),
    Graded("answer", "raw-token-in-response", "error", EXPOSED, options=ANSWER, cwe=209),
    Graded("to its caller", "raw-token-in-response", "note", EXPOSED, options=ANSWER | NOTED, cwe=209),
    Graded("answer, short", "raw-token-in-response", "warning", EXPOSED, options=ANSWER | SHORT, cwe=209),
    Graded("host", "raw-token-sent-elsewhere", "warning", facts.SentElsewhere, cwe=201),
    Graded("host, short", "raw-token-sent-elsewhere", "note", facts.SentElsewhere, cwe=201, short=True),
    Graded("stored", "raw-token-stored", "warning", EXPOSED, options=STORED, cwe=312),
    Graded("looked up", "raw-token-stored", "note", EXPOSED, options=STORED | NOTED, cwe=312),
    Graded("stored, short", "raw-token-stored", "note", EXPOSED, options=STORED | SHORT, cwe=312),
    Graded("argv", "raw-token-in-process-args", "error", EXPOSED, options=ARGV, cwe=214),
    Graded("argv, short", "raw-token-in-process-args", "warning", EXPOSED, options=ARGV | SHORT, cwe=214),
    Graded("lost", "concurrent-reuse", "error", facts.Reuse, "acquire release use", {"how": "slot_lost"}, 362),
    Graded("taken", "concurrent-reuse", "note", facts.Reuse, "acquire release", {"how": "slot_taken"}, 362),
    Graded("ticket", "concurrent-reuse", "error", facts.Reuse, "acquire", {"how": "single_use"}, 362),
    Graded("native", "concurrent-reuse", "error", facts.Reuse, "acquire use use", {"how": "native"}, 362),
    Graded("released", "concurrent-reuse", "error", facts.Reuse, "acquire use release", {"how": "native_release"}, 362),
    Graded("buffer", "concurrent-reuse", "error", facts.Reuse, "acquire use", {"how": "native_buffer"}, 362),
    *(
        Graded(how, "cross-request-leak", "error", facts.Leak, "expose", {"how": how}, 488)
        for how in ("g", "g_left", "verified", "response", "sent")
    ),
    Graded("replay", "single-use-replay", "error", facts.Replay, "acquire", {}, 294),
    Graded("decoded", "unverified-token", "error", facts.Unverified, "acquire use", {}, 347),
    Graded("accepted", "unvalidated-credential", "note", facts.Unvalidated, "acquire", {}, 287),
    Graded("no expiry", "long-lived-token", "note", facts.LongLived, "verify", {"unlimited": True}, 613),
    Graded("a long one", "long-lived-token", "note", facts.LongLived, "verify", {}, 613),
    Graded("nobody", "unauthenticated-llm-endpoint", "warning", facts.SpentOnLlm, "use", {}, 306, of=Kind.SERVICE),
    Graded("unchecked", "unauthenticated-llm-endpoint", "note", facts.SpentOnLlm, "use", {"presented": True}, 306),
    Graded("outside", "plaintext-credential", "error", facts.SentInPlaintext, cwe=319),
    Graded("inside", "plaintext-credential", "note", facts.SentInPlaintext, options={"near": True}, cwe=319),
    Graded("short", "weak-credential", "note", facts.Weak, "", {"label": "header:x-api-key"}, 1391),
    Graded("placeholder", "weak-credential", "note", facts.Weak, "", {"label": "query:key", "placeholder": True}, 1391),
]  # fmt: skip
