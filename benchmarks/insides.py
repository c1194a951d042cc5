"""Looks into an installed rasp, whatever version it is: its locks and its tables, wherever its objects keep them."""

from __future__ import annotations

import functools
import sys
import threading
import time
import types
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MANY = 200
"""Containers with more entries than this are tables: what is in them is not looked into."""
_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_TABLES = (dict, list, set, deque)


@dataclass(frozen=True)
class Found:
    """A value inside rasp: under which name, and which object keeps it."""

    path: str
    owner: Any
    name: str
    value: Any


def inside() -> Iterator[Found]:
    """Every attribute, closure variable and entry of a small container that can be reached from the runtime."""
    process = sys.modules["rasp.runtime"]
    seen: set[int] = set()
    waiting: deque[tuple[str, Any]] = deque([("runtime", process.active())])
    waiting += [
        (name, module)
        for name, module in sorted(sys.modules.items())
        if name.startswith("rasp.") and module is not None
    ]
    while waiting:
        path, owner = waiting.popleft()
        if id(owner) in seen:
            continue
        seen.add(id(owner))
        for name, value in _parts(owner):
            where = f"{path}.{name}"
            yield Found(where, owner, name, value)
            waiting.append((where, value))


def _parts(owner: Any) -> Iterator[tuple[str, Any]]:
    """What an object keeps, by name; nothing of what is not rasp's."""
    if isinstance(owner, types.ModuleType):
        if owner.__name__.startswith("rasp"):
            yield from ((k, v) for k, v in vars(owner).items() if not k.startswith("__") and not isinstance(v, type))
    elif isinstance(owner, types.FunctionType):
        for name, cell in zip(owner.__code__.co_freevars, owner.__closure__ or (), strict=True):
            yield name, _content(cell)
    elif isinstance(owner, types.MethodType):
        yield "__self__", owner.__self__
    elif isinstance(owner, functools.partial):
        yield "func", owner.func
        yield from ((str(number), value) for number, value in enumerate(owner.args))
    elif isinstance(owner, (dict, list, tuple, set, deque)):
        if len(owner) <= MANY:
            entries = owner.items() if isinstance(owner, dict) else enumerate(tuple(owner))
            yield from ((str(key)[:40], value) for key, value in tuple(entries))
    elif not isinstance(owner, type) and str(type(owner).__module__).startswith("rasp"):
        slots = [name for cls in type(owner).__mro__ for name in getattr(cls, "__slots__", ())]
        names = dict.fromkeys([*getattr(owner, "__dict__", ()), *slots])
        yield from ((name, getattr(owner, name)) for name in names if hasattr(owner, name))


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None


def tables(least: int = 100) -> dict[str, int]:
    """How many entries the tables of rasp have that are not small, the largest first."""
    sizes: dict[int, tuple[str, int]] = {}
    for found in inside():
        if isinstance(found.value, _TABLES) and len(found.value) >= least and not found.path.startswith("rasp."):
            sizes.setdefault(id(found.value), (found.path, len(found.value)))
    return dict(sorted(sizes.values(), key=lambda entry: -entry[1]))


class Watched:
    """A lock that counts how often it was taken, and for how long others had to wait for it."""

    def __init__(self, lock: Any, path: str) -> None:
        self._lock = lock
        self.path = path
        self.taken = 0
        self.contended = 0
        self.blocked = 0.0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As the lock does."""
        self.taken += 1
        if self._lock.acquire(False):
            return True
        if not blocking:
            return False
        began = time.perf_counter()
        got: bool = self._lock.acquire(True, timeout)
        self.contended += 1
        self.blocked += time.perf_counter() - began
        return got

    def release(self) -> None:
        """As the lock does."""
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lock, name)


def watch_locks() -> list[Watched]:
    """Puts a watched lock in the place of each lock of rasp; one that several objects share stays one."""
    watched: dict[int, Watched] = {}
    for found in list(inside()):
        if not isinstance(found.value, _LOCKS):
            continue
        lock = watched.setdefault(id(found.value), Watched(found.value, found.path))
        if isinstance(found.owner, types.FunctionType):
            cells = dict(zip(found.owner.__code__.co_freevars, found.owner.__closure__ or (), strict=True))
            cells[found.name].cell_contents = lock
        elif isinstance(found.owner, (dict, list)):
            key: Any = found.name if isinstance(found.owner, dict) else int(found.name)
            found.owner[key] = lock
        else:
            object.__setattr__(found.owner, found.name, lock)
    return list(watched.values())
