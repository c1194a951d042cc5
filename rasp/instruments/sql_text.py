"""SQL cut into tokens: as much of it as tells which clause a value stands in, in the dialects of known drivers."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import NamedTuple

LONGEST = 100_000
"""Characters of a statement; a longer one is not read."""


class Unreadable(Exception):  # noqa: N818 - what it says
    """A statement that is not understood."""


@dataclass(frozen=True, slots=True)
class Flavor:
    """How a database and its driver write a statement.

    Attributes:
        placeholders: of ``?``, ``:name`` (``named``), ``%s`` (``format``), ``$1`` (``dollar``), ``:1`` (``numeric``).
        sigils: what begins a named placeholder.
        backslash: whether ``\\'`` is a quote inside a string.
        nested: whether comments nest.
        dollar_quotes: whether ``$tag$ ... $tag$`` is a string.
        hashes: whether ``#`` begins a comment.
        brackets: whether ``[name]`` is a name.
    """

    placeholders: frozenset[str]
    sigils: str = ":"
    backslash: bool = False
    nested: bool = False
    dollar_quotes: bool = False
    hashes: bool = False
    brackets: bool = False


SQLITE = Flavor(frozenset({"qmark", "named"}), sigils=":@$", brackets=True)
POSTGRES = Flavor(frozenset({"format", "dollar"}), nested=True, dollar_quotes=True)
MYSQL = Flavor(frozenset({"format"}), backslash=True, hashes=True)


class Token(NamedTuple):
    """A piece of a statement; of a placeholder, its place among the positional ones and its name."""

    kind: str
    text: str
    start: int
    end: int
    number: int | None = None
    name: str | None = None


FORMAT = re.compile(r"%(?:\((?P<key>[^)]*)\))?[sbt]|%%")


def tokens(text: str, flavor: Flavor) -> list[Token]:
    """The tokens of a statement, comments and white space left out.

    Kinds: ``word``, ``value`` (a string, or a quoted name, which some databases take for one), ``placeholder``,
    ``comment`` (only where it is of interest) and ``sign``.

    Raises:
        Unreadable: a quote or comment is not closed, or the statement is too long.
    """
    if len(text) > LONGEST:
        raise Unreadable
    found: list[Token] = []
    numbers, pattern, at = _Numbers(), _pattern(flavor), 0
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:
            raise Unreadable
        kind, start, end = str(match.lastgroup), at, match.end()
        if kind == "open":
            end, kind = _comment_end(text, start, nested=flavor.nested), "comment"
        elif kind == "broken":
            raise Unreadable
        at = end
        if kind == "space":
            continue
        piece = text[start:end]
        if kind == "placeholder":
            token = numbers.placeholder(piece, start, end)
            if token is not None:
                found.append(token)
            continue
        found.append(Token(kind, piece, start, end))
        if kind in ("value", "comment") and "format" in flavor.placeholders:
            for inside in FORMAT.finditer(piece):
                token = numbers.placeholder(inside.group(), start + inside.start(), start + inside.end())
                if token is not None:
                    found.append(token)
    return found


class _Numbers:
    """Counts placeholders as the drivers do: a plain one is the next after the largest so far."""

    def __init__(self) -> None:
        self.last = -1
        self.names: dict[str, int] = {}

    def placeholder(self, piece: str, start: int, end: int) -> Token | None:
        if piece == "%%":
            return None
        if piece.startswith("%("):
            return Token("placeholder", piece, start, end, None, piece[2:-2])
        if piece.startswith("%") or piece == "?":
            self.last += 1
            return Token("placeholder", piece, start, end, self.last)
        if piece[1:].isdecimal():
            index = int(piece[1:]) - 1
            self.last = max(self.last, index)
            return Token("placeholder", piece, start, end, index, piece[1:])
        if piece[1:] not in self.names:
            self.last += 1
            self.names[piece[1:]] = self.last
        return Token("placeholder", piece, start, end, self.names[piece[1:]], piece[1:])


def _comment_end(text: str, start: int, *, nested: bool) -> int:
    depth, at = 1, start + 2
    while depth:
        close = text.find("*/", at)
        if close < 0:
            raise Unreadable
        inner = text.find("/*", at, close) if nested else -1
        if inner >= 0:
            depth, at = depth + 1, inner + 2
        else:
            depth, at = depth - 1, close + 2
    return at


@functools.lru_cache(maxsize=32)
def _pattern(flavor: Flavor) -> re.Pattern[str]:
    escaped = r"'(?:[^'\\]|''|\\.)*+'"
    strings = [r"'(?:[^']|'')*+'", r'"(?:[^"]|"")*+"']
    if flavor.backslash:
        strings = [escaped, r'"(?:[^"\\]|""|\\.)*+"']
    strings.insert(0, r"\b[eE]" + escaped)
    strings.append(r"`(?:[^`]|``)*+`")
    if flavor.brackets:
        strings.append(r"\[[^\]]*+\]")
    if flavor.dollar_quotes:
        strings.append(r"\$(?P<tag>(?:[^\W\d]\w*)?)\$(?s:.*?)\$(?P=tag)\$")
    comments = [r"--[^\n]*+", *([r"\#[^\n]*+"] if flavor.hashes else [])]
    kinds = {
        "space": r"\s++",
        "comment": "|".join(comments),
        "open": r"/\*",
        "value": "|".join(strings),
        "placeholder": "|".join(_placeholders(flavor)) or r"(?!)",
        "broken": r"""['"`]""",
        "word": r"[^\W\d][\w$]*+",
        "number": r"\d[\w.]*+",
        "sign": r"[=<>!~|]++|:+|->+|.",
    }
    # The last group that closes names the kind: the tag of a dollar quote closes before its own.
    return re.compile("|".join(f"(?P<{kind}>{form})" for kind, form in kinds.items()), re.DOTALL)


def _placeholders(flavor: Flavor) -> list[str]:
    forms = {
        "qmark": r"\?\d*+",
        "named": rf"(?<!:)[{re.escape(flavor.sigils)}][^\W\d]\w*+",
        "format": FORMAT.pattern.replace("?P<key>", "?:"),
        "dollar": r"\$\d++",
        "numeric": r"(?<!:):\d++",
    }
    return [form for name, form in forms.items() if name in flavor.placeholders]
