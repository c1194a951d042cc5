"""functools.lru_cache and cache: a credential among the arguments of a cached function outlives its request.

The cache object stays functools' own, with everything it can do; it is given a function that tells of the call, and
calls the app's. It is called on a miss only, which is when an entry is made. Wrapped are functions of app code with
parameters, that do not call themselves: those would reach the recursion limit earlier. The app's own secrets may be
arguments: they live as long as the process anyway.
"""

from __future__ import annotations

import functools
import itertools
import sys
from types import CodeType, FunctionType
from typing import Any

from rasp.instruments.kit import Kit, as_text, obey
from rasp.ledger.events import CacheStored, Holder
from rasp.model import Kind, Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like

HOLDER = "functools.lru_cache"
_ARGUMENTS = 8
_BOUND = 1_000


class LruHooks:
    """Which functions are watched, and what they were given."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._numbers = itertools.count(1)
        self._kept = kit.hook("lru_cache.miss", self.kept)

    def watched(self, function: Any) -> Any:
        """The function to be cached in place of an app's, ``None`` for one that is left alone."""
        if type(function) is not FunctionType:
            return None
        code = function.__code__
        takes = code.co_argcount + code.co_kwonlyargcount or code.co_flags & 0x0C
        if not takes or _names(code, function.__name__) or not self._kit.ledger.places.is_app(code.co_filename):
            return None
        holder, seen, kept = Holder(HOLDER, (HOLDER, next(self._numbers))), set[str](), self._kept
        values = self._kit.ledger.values

        def call(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            if values.foreign:
                obey(kept(holder, seen, args, kwargs))
            return result

        return named_like(function, call)

    def kept(self, holder: Holder, seen: set[str], args: Any, kwargs: Any) -> Verdict | None:
        """An entry is made under these arguments; each credential is told of once a function."""
        ledger = self._kit.ledger
        if ledger.scopes.here() is None:
            return None
        for value in itertools.islice(itertools.chain(args, kwargs.values()), _ARGUMENTS):
            text = as_text(value)
            live = ledger.values.get(text) if text else None
            if text is None or live is None or live.kind is Kind.SERVICE:
                continue
            fingerprint = live.credential.fingerprint
            if fingerprint in seen:
                continue
            if len(seen) >= _BOUND:
                seen.clear()
            seen.add(fingerprint)
            event = CacheStored(holder, text, self._kit.here(sys._getframe(1)))
            return self._kit.pipeline.handle(event)
        return None


def instrument(kit: Kit) -> Instrument:
    """The instrument of functools."""
    watched = kit.hook("lru_cache.decorate", LruHooks(kit).watched)

    def make(original: Any) -> Any:
        def lru_cache(*args: Any, **kwargs: Any) -> Any:
            made = original(*args, **kwargs)
            size = args[0] if args else kwargs.get("maxsize")
            if isinstance(size, int) and size <= 0:
                return made  # it keeps nothing
            if callable(size):  # used without parentheses: what is made is the cache
                call = watched(size)
                return made if call is None else dressed(original(call, *args[1:]), size)

            def decorating_function(user_function: Any) -> Any:
                call = watched(user_function)
                return made(user_function) if call is None else dressed(made(call), user_function)

            return functools.update_wrapper(decorating_function, made)

        return named_like(original, lru_cache)

    return Instrument(
        name="functools",
        library="python",
        supported=">=3.11",
        points=(PatchPoint("functools", "lru_cache", make),),
        unreachable=(
            "lru_cache imported by name before rasp was installed",
            "cached functions that call themselves by name: one more frame a call would end them earlier",
            "cached functions of an installed app package, decorated before the app object was made",
        ),
    )


def _names(code: CodeType, name: str) -> bool:
    """Whether a function's code names it, or what is made inside it does: a generator expression, a lambda."""
    if name in code.co_names or name in code.co_freevars:
        return True
    return any(isinstance(made, CodeType) and _names(made, name) for made in code.co_consts)


def dressed(cache: Any, function: Any) -> Any:
    """The cache of a function as functools would have made it: it shows the app's function."""
    cache.__wrapped__ = function
    return cache
