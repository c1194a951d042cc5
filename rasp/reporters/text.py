"""The report on stderr, in the form of a sanitizer's: what happened, where, and the way there."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from rasp.model import Action, ActionTaken, Finding, Location, RequestRecord, TrailStep
from rasp.reporters.safe import masked, safe_finding

WIDTH = 78
_RED, _YELLOW, _CYAN, _BOLD, _DIM, _RESET = (
    "\x1b[1;31m",
    "\x1b[1;33m",
    "\x1b[36m",
    "\x1b[1m",
    "\x1b[2m",
    "\x1b[0m",
)
_SEVERITY = {"error": _RED, "warning": _YELLOW, "note": _CYAN}
_VERBS = {
    Action.ACQUIRE: "acquired",
    Action.USE: "used",
    Action.RELEASE: "released",
    Action.EXPOSE: "exposed",
    Action.VERIFY: "verified",
}
_DONE = {
    ActionTaken.NONE: "reported it and changed nothing",
    ActionTaken.RAISED: "raised an exception",
    ActionTaken.REPLACED: "replaced the credential by its mask",
    ActionTaken.SKIPPED: "skipped the call",
}
_NATIVE_ADVICE = {
    "double-release": "let one place own the handle, and take it off g or set it to None before its release; ",
    "use-after-release": "release the handle after its last use, or give the later code a handle of its own; ",
    "release-without-acquire": "release only what a declared acquire function gave out, or declare the missing one; ",
    "never-released": "release the handle in a teardown function or a finally; ",
    "inconsistent-release": "release the handle on every path, in a finally or a teardown function; ",
    "concurrent-reuse": "give each request a handle of its own, or guard the shared one with a lock; ",
}


class TextReport:
    """Writes each defect to a stream, by default to what is stderr at that moment, in one write."""

    def __init__(self, stream: TextIO | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._stream = stream
        self._environ = os.environ if environ is None else environ

    def finding(self, finding: Finding) -> None:
        self._write(lambda color: "\n" + render(finding, color))

    def recount(self, finding: Finding) -> None:
        self._write(lambda _color: render_count(finding))

    def record(self, record: RequestRecord, findings: tuple[Finding, ...]) -> None:
        """Takes no records."""

    def close(self) -> None:
        """Leaves the stream open, which is the process's."""

    def _write(self, text: Callable[[bool], str]) -> None:
        stream = sys.stderr if self._stream is None else self._stream
        if stream is None:
            return  # a process without a console has no stderr
        encoding = getattr(stream, "encoding", None) or "utf-8"
        shown = text(wants_color(stream, self._environ)).encode(encoding, "backslashreplace").decode(encoding)
        try:
            stream.write(shown)
            stream.flush()
        except ValueError:
            raise OSError("the stream of the text report is closed") from None


def wants_color(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether a stream takes colours: ``NO_COLOR``, then ``FORCE_COLOR``, then whether it is a terminal."""
    if environ.get("NO_COLOR"):
        return False
    forced = environ.get("FORCE_COLOR")
    if forced:
        return forced != "0"
    try:
        return environ.get("TERM") != "dumb" and stream.isatty()
    except (ValueError, AttributeError):
        return False


def render(finding: Finding, color: bool = False) -> str:
    """The report of one finding. Nothing of an app or a caller reaches the terminal unescaped."""
    shown = safe_finding(finding)
    paint = _Paint(color)
    rule = paint.dim("=" * WIDTH)
    lines = [rule, _header(shown, paint), "  " + shown.message, "", *_facts(shown, paint), ""]
    for number, (step, label) in enumerate(zip(shown.trail, labels(shown.trail), strict=True), 1):
        lines += _step(number, step, label, shown, paint)
    if shown.trail:
        lines.append("")
    lines += [f"  rasp {_DONE[shown.action_taken]} (mode {shown.mode})"]
    if shown.count > 1:
        lines.append(f"  seen {shown.count} times")
    lines += [_fix(shown, paint), rule]
    return "\n".join(lines) + "\n"


def render_count(finding: Finding) -> str:
    """One line that says how often a defect was seen so far."""
    shown = safe_finding(finding)
    return f"=={shown.process}==rasp: {shown.rule} at {place(shown.location)}: seen {shown.count} times so far\n"


def place(location: Location) -> str:
    """``app.py:41 in get_data``."""
    return f"{location.file}:{location.line} in {location.function}"


def labels(trail: tuple[TrailStep, ...]) -> list[str]:
    """What each step of a trail is called, such as ``first released here`` and ``released again here``."""
    named = []
    seen: dict[Action, int] = {}
    releases = sum(step.action is Action.RELEASE for step in trail)
    for step in trail:
        before = seen.get(step.action, 0)
        verb = _VERBS[step.action]
        if step.action is Action.RELEASE and releases > 1 and not before:
            named.append(f"first {verb} here")
        elif step.action is Action.USE and seen.get(Action.RELEASE):
            named.append(f"{verb} after release here")
        elif step is trail[-1] and step.action is Action.ACQUIRE and releases:
            named.append(f"{verb} and left held here")
        elif before and step.action is not Action.USE:
            named.append(f"{verb} again here")
        else:
            named.append(f"{verb} here")
        seen[step.action] = before + 1
    return named


def source_line(location: Location) -> str:
    """A place's line of source, masked; empty where it cannot be read."""
    path = location.path or location.file
    # A path may come from a findings file: a device or a FIFO must not be read, it might never end.
    if path not in linecache.cache and not os.path.isfile(path):
        return ""
    return masked(linecache.getline(path, location.line).strip())


class _Paint:
    """Wraps text in colours, or leaves it."""

    def __init__(self, color: bool) -> None:
        self._color = color

    def __call__(self, code: str, text: str) -> str:
        return f"{code}{text}{_RESET}" if self._color else text

    def bold(self, text: str) -> str:
        return self(_BOLD, text)

    def dim(self, text: str) -> str:
        return self(_DIM, text)


def _header(finding: Finding, paint: _Paint) -> str:
    cwe = "".join(f", CWE-{number}" for number in finding.cwe)
    severity = paint(_SEVERITY[finding.severity.word], finding.severity.word.upper())
    return f"=={finding.process}=={severity}: rasp: {paint.bold(finding.rule)} ({finding.id}{cwe})"


def _facts(finding: Finding, paint: _Paint) -> list[str]:
    """The lines about credential, request and place."""
    facts = {}
    credential = finding.credential
    if credential is not None:
        length = "" if credential.length is None else f", {credential.length} characters"
        facts["credential"] = f"{credential.kind} {credential.fingerprint} from {credential.source}{length}"
    request = finding.request
    if request is not None:
        route = "(no route)" if request.route is None else request.route
        status = "(no status yet)" if request.status is None else request.status
        facts["request"] = f"{request.id} {request.method} {route} -> {status}"
    if finding.trail:
        facts["thread"] = finding.trail[-1].thread
    if finding.trail and finding.trail[-1].call:
        facts["native"] = f"{finding.trail[-1].call} of {finding.trail[-1].holder.partition('.')[2]}"
    facts["at"] = paint.bold(place(finding.location))
    lines = [f"  {name + ':':<12}{text}" for name, text in facts.items()]
    if not finding.trail or finding.trail[-1].location != finding.location:
        lines += _source(finding.location, paint)
    return lines


def _step(number: int, step: TrailStep, label: str, finding: Finding, paint: _Paint) -> list[str]:
    """The lines of one step: what, in which holder and slot, when, and where."""
    when = "" if step.t_ms is None else f"  +{step.t_ms:.2f} ms"
    slot = "" if step.slot is None else f", slot {step.slot}"
    lines = [f"  #{number} {paint.bold(label)}: {step.holder}{slot}{paint.dim(when)}"]
    if step.call:
        return lines + _native_stack(step, paint)
    where = "(no app code on the stack)" if step.location is None else place(step.location)
    others = []
    if step.request is not None and (finding.request is None or step.request != finding.request.id):
        others.append(f"request {step.request}")
    if step.thread != finding.trail[-1].thread:
        others.append(f"thread {step.thread}")
    lines.append(f"      {where}" + (f"  ({', '.join(others)})" if others else ""))
    return lines if step.location is None else lines + _source(step.location, paint)


def _native_stack(step: TrailStep, paint: _Paint) -> list[str]:
    """The whole call path of a native call, with request and thread, as a sanitizer shows it."""
    frames = step.frames or (() if step.location is None else (step.location,))
    lines = [f"      by request {step.request or '(none)'}, thread {step.thread}"]
    if not frames:
        lines.append("      (no app code on the stack)")
    for depth, frame in enumerate(frames):
        lines += [f"      #{depth} {place(frame)}", *_source(frame, paint)]
    return lines


def _fix(finding: Finding, paint: _Paint) -> str:
    """What to do; for a native handle in a sentence too."""
    native = bool(finding.trail and finding.trail[-1].call)
    advice = _NATIVE_ADVICE.get(finding.rule, "") if native else ""
    return f"  fix: {advice}{paint.bold('rasp explain ' + finding.rule)}"


def _source(location: Location, paint: _Paint) -> list[str]:
    text = source_line(location)
    return [paint.dim(f"      > {text}")] if text else []
