"""Which values of a statement it writes (VALUES, SET), and which it only looks up (WHERE and all else).

In doubt a value is looked up. What a sub-select or a common table expression hands on is not followed; a value given
to a function that hashes or encrypts it is not written itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rasp.instruments.sql_text import Flavor, Token, Unreadable, tokens

_VERBS = {
    "INSERT": "insert", "REPLACE": "insert", "UPDATE": "update", "DELETE": "delete", "MERGE": "merge",
    "SELECT": "select", "VALUES": "values", "WITH": "with",
}  # fmt: skip
_LOOKS = frozenset({
    "FROM", "WHERE", "HAVING", "GROUP", "ORDER", "LIMIT", "OFFSET", "RETURNING", "JOIN", "USING", "WINDOW", "ON",
    "WHEN", "INTO", "OUTPUT", "FETCH", "FOR",
})  # fmt: skip
_COMPARES = frozenset(
    {"<>", "!=", "<", ">", "<=", ">=", "==", "~", "!~", "LIKE", "ILIKE", "IN", "IS", "BETWEEN", "REGEXP"}
)
_DIGESTS = re.compile(r"MD5|SHA\d|SHA$|DIGEST|HASH|CRYPT|HMAC|PASSWORD|BLAKE|LENGTH", re.IGNORECASE)


@dataclass(slots=True)
class Reading:
    """What is known of a statement.

    Attributes:
        verb: what its first part does; ``with`` is told by what follows.
        places: positions and names of placeholders, and whether any of that name is written.
        literals: (start, end, whether written) of strings in the text.
    """

    verb: str = ""
    places: dict[int | str, bool] = field(default_factory=dict)
    literals: list[tuple[int, int, bool]] = field(default_factory=list)

    def writes(self, place: int | str) -> bool:
        """Whether the value given for a placeholder is written."""
        return self.places.get(place, False)

    def writes_at(self, at: int) -> bool:
        """Whether what stands at this place of the text is written."""
        return any(written for start, end, written in self.literals if start <= at < end)


def read(text: str, flavor: Flavor) -> Reading | None:
    """Reads a statement, or several; ``None`` if it is not understood."""
    try:
        found = tokens(text, flavor)
    except Unreadable:
        return None
    reader = _Reader(found)
    return reader.reading if reader.read() else None


class _Frame:
    """A statement, a pair of parentheses or a CASE: what a value that stands here is for.

    ``inner`` is what the rows of a SELECT are for; ``assigning`` is set where the first ``=`` assigns.
    """

    __slots__ = ("assigned", "compared", "inner", "kind", "setting", "writing")

    def __init__(self, kind: str, *, writing: bool = False, inner: bool = False) -> None:
        self.kind = kind
        self.writing = writing
        self.inner = inner
        self.setting = False
        self.assigned = False
        self.compared = False

    @property
    def written(self) -> bool:
        return self.writing and not self.compared

    @property
    def rows(self) -> bool:
        """What the rows of a SELECT in parentheses are for: those of ``INSERT INTO t (SELECT ...)`` are written."""
        return True if self.kind == "insert:target" else self.written

    def turn(self, writing: bool, *, setting: bool = False) -> None:
        """Another clause begins."""
        self.writing, self.setting, self.assigned, self.compared = writing, setting, False, False


class _Reader:
    def __init__(self, found: list[Token]) -> None:
        self.reading = Reading()
        self._found = [token for token in found if token.kind != "comment"]
        self._stack = [_Frame("")]

    def read(self) -> bool:
        """Goes through all tokens; false where parentheses do not match."""
        for at, token in enumerate(self._found):
            if token.kind == "word":
                self._word(at, token.text.upper())
            elif token.kind == "sign":
                if not self._sign(at, token.text):
                    return False
            elif token.kind == "placeholder":
                self._placeholder(token)
            elif token.kind == "value":
                self.reading.literals.append((token.start, token.end, self._stack[-1].written))
        return sum(frame.kind != "case" for frame in self._stack) == 1

    def _placeholder(self, token: Token) -> None:
        for place in (token.number, token.name):
            if place is not None:
                self.reading.places[place] = self.reading.writes(place) or self._stack[-1].written

    def _text(self, at: int) -> str:
        return self._found[at].text.upper() if 0 <= at < len(self._found) else ""

    def _sign(self, at: int, sign: str) -> bool:
        top = self._stack[-1]
        if sign == "(":
            self._open(at)
        elif sign == ")":
            while self._stack[-1].kind == "case":
                self._stack.pop()
            self._stack.pop()
            return bool(self._stack)
        elif sign == ";":
            while self._stack[-1].kind == "case":
                self._stack.pop()
            if len(self._stack) > 1:
                return False
            self._stack = [_Frame("")]
        elif sign == ",":
            top.assigned = top.compared = False
        elif sign == "=" and top.setting and not top.assigned:
            top.assigned = True
        elif sign == "=" or sign in _COMPARES:
            top.compared = True
        return True

    def _open(self, at: int) -> None:
        top = self._stack[-1]
        word = self._text(at + 1)
        if word in _VERBS and not (word in ("INSERT", "REPLACE") and self._text(at + 2) == "("):
            # INSERT ... SELECT ... FROM (VALUES ...), as SQLAlchemy writes many rows, and MERGE ... USING (VALUES ...).
            source = word == "VALUES" and top.kind in ("insert", "insert:target", "merge")
            self._stack.append(_Frame("", inner=source or top.rows))
        else:
            named = at > 0 and self._found[at - 1].kind == "word" and _DIGESTS.search(self._text(at - 1))
            self._stack.append(_Frame("paren", writing=top.written and not named, inner=top.inner))

    def _word(self, at: int, word: str) -> None:
        if self._text(at - 1) == ".":
            return
        top = self._stack[-1]
        if word == "CASE":
            self._stack.append(_Frame("case", inner=top.written))
        elif top.kind == "case":
            self._in_case(top, word)
        elif word in _COMPARES:
            top.compared = True
        elif top.kind in ("", "with"):
            self._verb(top, word)
        elif top.kind != "paren":
            self._in_statement(top, at, word)

    def _in_case(self, top: _Frame, word: str) -> None:
        if word == "END":
            self._stack.pop()
        elif word == "WHEN":
            top.turn(False)
        elif word in ("THEN", "ELSE"):
            top.turn(top.inner)

    def _verb(self, top: _Frame, word: str) -> None:
        verb = _VERBS.get(word)
        if verb is None:
            if top.kind == "":
                top.kind = "other"
            return
        top.kind = "insert:target" if verb == "insert" else verb
        top.turn(top.inner if verb in ("select", "values") else False)
        if len(self._stack) == 1 and self.reading.verb in ("", "with"):
            self.reading.verb = verb

    def _in_statement(self, top: _Frame, at: int, word: str) -> None:
        if top.kind.startswith("insert"):
            self._in_insert(top, at, word)
        elif top.kind in ("update", "merge") and word == "SET":
            top.turn(True, setting=True)
        elif top.kind == "merge" and word == "VALUES" and self._text(at + 1) == "(":
            top.turn(True)
        elif top.kind in ("select", "values") and word in ("SELECT", "VALUES"):
            top.turn(top.inner)
        elif word in _LOOKS or word in ("INSERT", "UPDATE", "DELETE"):
            top.turn(False)

    def _in_insert(self, top: _Frame, at: int, word: str) -> None:
        target = top.kind == "insert:target"
        if target and word in ("VALUES", "VALUE") and self._text(at + 1) in ("(", "ROW"):
            top.kind = "insert"
            top.turn(True)
        elif target and word == "WITH":
            top.kind = "insert:with"
        elif word == "SELECT":
            top.kind = "insert"
            top.turn(True)
        elif word == "SET" or (word == "UPDATE" and self._text(at - 1) == "KEY"):
            top.kind = "insert"
            top.turn(True, setting=True)
        elif word in _LOOKS and word != "INTO":
            top.turn(False)
