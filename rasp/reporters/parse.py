"""Lines of a findings file back to findings, for ``rasp report``. Errors name the field, never its value."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from rasp.errors import RaspError
from rasp.model import (
    Action,
    ActionTaken,
    Credential,
    Finding,
    Kind,
    Location,
    Mode,
    RequestInfo,
    Severity,
    TrailStep,
)
from rasp.reporters.serialise import SCHEMA

_Word = TypeVar("_Word", bound=StrEnum)
_Value = TypeVar("_Value")


def finding_from_line(line: str | bytes) -> Finding:
    """The finding that a line holds.

    Raises:
        RaspError: the line is no JSON object of schema 1; the text names the field and what is allowed.
    """
    try:
        content = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise RaspError("not valid JSON") from None
    return finding_from_dict(content)


def finding_from_dict(content: object) -> Finding:
    """The finding that a JSON object holds; raises RaspError like ``finding_from_line``."""
    fields = _Fields(content, "")
    if "events" in fields.content and "rule" not in fields.content:
        raise RaspError("a request's record of --events, not a finding")
    if fields.integer("schema") != SCHEMA:
        raise RaspError(f"field 'schema' must be {SCHEMA}; a newer rasp may have written this file")
    return Finding(
        rule=fields.text("rule"),
        id=fields.text("id"),
        severity=_severity(fields),
        cwe=tuple(_whole(number, "cwe") for number in fields.array("cwe")),
        message=fields.text("message"),
        credential=fields.either_null("credential", _credential),
        location=_location(fields.value("location"), "location"),
        trail=tuple(_step(step, f"trail[{at}]") for at, step in enumerate(fields.array("trail"))),
        request=fields.either_null("request", _request),
        trace_id=fields.text_or_none("trace_id"),
        span_id=fields.text_or_none("span_id"),
        process=fields.integer("process"),
        time=fields.text("time"),
        mode=fields.word("mode", Mode),
        action_taken=fields.word("action_taken", ActionTaken),
        key=fields.text("key"),
        instance=fields.text("instance"),
        count=_at_least_one(fields.integer("count")),
    )


class _Fields:
    """The fields of one JSON object, read with a check of their type."""

    def __init__(self, content: object, where: str) -> None:
        if not isinstance(content, dict):
            _wrong(where or "the line", "a JSON object")
        self.content: Mapping[str, Any] = content
        self._prefix = where + "." if where else ""

    def name(self, field: str) -> str:
        """The field with the path to it."""
        return self._prefix + field

    def value(self, field: str) -> object:
        if field not in self.content:
            raise RaspError(f"field '{self.name(field)}' is missing")
        return self.content[field]

    def text(self, field: str) -> str:
        value = self.value(field)
        return value if isinstance(value, str) else _wrong(self.name(field), "a string")

    def text_or_none(self, field: str) -> str | None:
        return None if self.value(field) is None else self.text(field)

    def integer(self, field: str) -> int:
        return _whole(self.value(field), self.name(field))

    def integer_or_none(self, field: str) -> int | None:
        return None if self.value(field) is None else self.integer(field)

    def number_or_none(self, field: str) -> float | None:
        value = self.value(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            _wrong(self.name(field), "a number or null")
        return float(value)

    def array(self, field: str) -> list[Any]:
        value = self.value(field)
        return value if isinstance(value, list) else _wrong(self.name(field), "an array")

    def word(self, field: str, words: type[_Word]) -> _Word:
        value = self.text(field)
        return words(value) if value in list(words) else _wrong(self.name(field), f"one of {', '.join(words)}")

    def either_null(self, field: str, read: Callable[[object, str], _Value]) -> _Value | None:
        value = self.value(field)
        return None if value is None else read(value, self.name(field))


def _severity(fields: _Fields) -> Severity:
    word = fields.text("severity")
    for severity in Severity:
        if severity.word == word:
            return severity
    return _wrong("severity", "one of " + ", ".join(severity.word for severity in Severity))


def _credential(content: object, where: str) -> Credential:
    fields = _Fields(content, where)
    length = fields.integer("length") if "length" in fields.content else None
    return Credential(fields.word("kind", Kind), fields.text("fingerprint"), fields.text("source"), length)


def _location(content: object, where: str) -> Location:
    fields = _Fields(content, where)
    return Location(fields.text("file"), fields.integer("line"), fields.text("function"))


def _request(content: object, where: str) -> RequestInfo:
    fields = _Fields(content, where)
    return RequestInfo(
        fields.text("id"),
        fields.text("method"),
        fields.text_or_none("route"),
        fields.integer_or_none("status"),
    )


def _step(content: object, where: str) -> TrailStep:
    fields = _Fields(content, where)
    return TrailStep(
        action=fields.word("action", Action),
        holder=fields.text("holder"),
        slot=fields.text_or_none("slot"),
        location=fields.either_null("location", _location),
        request=fields.text_or_none("request"),
        thread=fields.text("thread"),
        t_ms=fields.number_or_none("t_ms"),
    )


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        _wrong(name, "a whole number")
    return value


def _at_least_one(count: int) -> int:
    return count if count >= 1 else _wrong("count", "1 or more")


def _wrong(name: str, allowed: str) -> NoReturn:
    raise RaspError(f"field '{name}' must be {allowed}" if name != "the line" else f"must be {allowed}")


def _no_constant(_name: str) -> NoReturn:
    raise ValueError
