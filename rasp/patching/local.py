"""State of the running code: per thread, and inside a thread per greenlet.

``threading.local`` alone is not enough: rasp is loaded before gevent patches it, and greenlets would share it.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class _Thread(threading.local):
    state: Any = None


class Local(Generic[T]):
    """One state for each thread or greenlet, made when first asked for."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._thread = _Thread()
        self._greenlets: weakref.WeakKeyDictionary[Any, T] = weakref.WeakKeyDictionary()

    def get(self) -> T:
        """The state of what runs this code."""
        module = sys.modules.get("greenlet")
        running = module.getcurrent() if module is not None and hasattr(module, "getcurrent") else None
        if running is not None and running.parent is not None:
            found = self._greenlets.get(running)
            if found is None:
                found = self._greenlets[running] = self._make()
            return found
        state: T | None = self._thread.state
        if state is None:
            state = self._thread.state = self._make()
        return state
