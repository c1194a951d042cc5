"""What ``rasp doctor`` says of the bounds of rasp's own cost, and of what they and others have left out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rasp.errors import ConfigError, RaspError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rasp.config import Config


@dataclass
class LeftOut:
    """What the records of requests say was left out.

    Attributes:
        requests: how many records there are.
        cut: how many of them miss something.
        dropped: how much that is: events, credentials, stacks and searches.
    """

    requests: int = 0
    cut: int = 0
    dropped: int = 0

    def add(self, dropped: int) -> None:
        """One record more."""
        self.requests += 1
        self.cut += dropped > 0
        self.dropped += dropped


def left_out(paths: Iterable[str]) -> LeftOut:
    """Sums up the records in events files; raises RaspError where one of them is none."""
    found = LeftOut()
    for path in paths:
        try:
            with open(path, "rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        found.add(_dropped(line, f"{path}:{number}"))
        except FileNotFoundError:
            raise ConfigError(f"events file {path!r} does not exist") from None
        except OSError as error:
            raise ConfigError(f"events file {path!r} cannot be read: {error.strerror}") from None
    return found


def _dropped(line: bytes, where: str) -> int:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    dropped = record.get("dropped") if isinstance(record, dict) and "events" in record else None
    if isinstance(dropped, bool) or not isinstance(dropped, int) or dropped < 0:
        raise RaspError(f"{where}: no record of a request")
    return dropped


def bounds(config: Config) -> list[str]:
    """The lines that say what is configured."""
    budget = config.overhead_budget
    if not budget:
        spends = "not bounded"
    elif budget >= 1:
        spends = f"{budget:g} us a request; beyond it no stacks are walked, then no very large texts searched"
    else:
        spends = f"{budget:.4g} of a request's time; beyond it no stacks are walked, then no very large texts searched"
    if config.sample >= 1:
        follows = "every request"
    elif config.raises:
        follows = f"every request, since mode strict does not heed sample = {config.sample:g}"
    else:
        follows = f"{config.sample:g} of each route's requests; native calls in all of them"
    return [f"overhead: {spends}", f"followed: {follows}"]


def told(found: LeftOut) -> str:
    """The line that says what was left out."""
    if not found.requests:
        return "records: none"
    return f"records: {found.requests}, of which {found.cut} miss something; left out: {found.dropped}"
