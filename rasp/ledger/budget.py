"""What rasp may cost a request, and which requests it follows: work of little value is given up, and counted.

Only the looking is given up: where something happened (stacks), then very large texts. What withholds a second native
release never is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rasp.ledger.scopes import RequestScope

LARGE = 8_192
"""Characters from which on a text is very large."""
LEAST = 50e-6
"""Seconds that a share of the request's time is worth at least: when it begins, a share of it is nothing."""
ROUTES = 1_000
"""Routes that are told apart; further ones are sampled as one."""


class Budget:
    """Compares what rasp has taken of the running request with what it may.

    Attributes:
        shed: how often which work was given up: ``stacks``, ``scans``.
    """

    def __init__(
        self, microseconds: float | None, ratio: float | None, spent: Callable[[], float],
        here: Callable[[], RequestScope | None], clock: Callable[[], float] = perf_counter,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._limit = None if microseconds is None else microseconds / 1e6
        self._ratio = ratio
        self._spent = spent
        self._here = here
        self.shed: Counter[str] = Counter()

    def stacks(self) -> bool:
        """Whether no stack is to be walked: the budget is used up."""
        return self._over("stacks", 1.0)

    def scans(self) -> bool:
        """Whether no very large text is to be searched: it is used up one and a half times."""
        return self._over("scans", 1.5)

    def _over(self, work: str, times: float) -> bool:
        scope = self._here()
        if scope is None:
            return False
        limit = self._limit
        if limit is None:
            limit = max(LEAST, (self._ratio or 0.0) * (self._clock() - scope.mark.started))
        if self._spent() <= limit * times:
            return False
        self.shed[work] += 1
        scope.dropped += 1
        return True


class Sampler:
    """Takes a share of each route's requests, evenly: of a share of 0.25 every fourth.

    Attributes:
        passed: how many requests were not followed.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._owed: dict[object, float] = {}
        self.passed = 0

    def takes(self, route: object) -> bool:
        """Whether the next request of a route is followed; the first one is."""
        if route not in self._owed and len(self._owed) >= ROUTES:
            route = None
        owed = self._owed.get(route, 1.0 - self._share) + self._share
        taken = owed >= 1.0 - 1e-9
        self._owed[route] = owed - 1.0 if taken else owed
        self.passed += not taken
        return taken
