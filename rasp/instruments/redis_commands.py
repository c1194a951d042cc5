"""What redis commands do to which keys: the table behind the instruments of redis and valkey.

Positions are those of ``execute_command``: 0 is the command. A command that is not here touches nothing that is judged.
``EVAL`` and its like are told by their script, see ``redis_scripts``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple


class Does(enum.Enum):
    """What a command does to a key or member."""

    STORE = "store"
    READ = "read"
    RELEASE = "release"


Told = Callable[[Sequence[Any], Any, int], Sequence[bool | None]]
"""From a command and its result, for each of so many names: whether it was stored, there, removed, if that is known."""


class Command(NamedTuple):
    """A command: its keys, the members of the key that it names, and the values that it stores."""

    does: Does
    told: Told
    keys: slice = slice(1, 2)
    members: slice | None = None
    values: slice | None = None


def _always(args: Sequence[Any], result: Any, count: int) -> Sequence[bool | None]:
    return (True,) * count


def _unknown(args: Sequence[Any], result: Any, count: int) -> Sequence[bool | None]:
    return (False,) * count


def _truth(args: Sequence[Any], result: Any, count: int) -> Sequence[bool | None]:
    return (bool(result),) * count


def _found(args: Sequence[Any], result: Any, count: int) -> Sequence[bool | None]:
    return (result is not None,) * count


def _each(args: Sequence[Any], result: Any, count: int) -> Sequence[bool | None]:
    if not isinstance(result, (list, tuple)) or len(result) != count:
        return (False,) * count
    return tuple(item is not None and item is not False and item != 0 for item in result)


def _counted(args: Sequence[Any], result: Any, count: int) -> Sequence[bool | None]:
    """A number of entries, out of all that were named."""
    if not isinstance(result, int):
        return (None,) * count
    return (bool(result),) * count if result in (0, False) or result >= count else (None,) * count


def _some(args: Sequence[Any], result: Any, count: int) -> Sequence[bool | None]:
    """Whether all of them are there, by their number."""
    return (isinstance(result, int) and result >= count,) * count


def _lives(args: Sequence[Any], result: Any, count: int) -> Sequence[bool | None]:
    return (result != -2,) * count


def _set(args: Sequence[Any], result: Any, count: int) -> Sequence[bool | None]:
    """``SET`` answers nothing where ``NX`` or ``XX`` held it back; with ``GET`` it answers what was there before."""
    options = {option.upper() for option in args[3:] if isinstance(option, str)}
    if "GET" in options:
        stored = result is None if "NX" in options else result is not None or "XX" not in options
    else:
        stored = result is not None and result is not False
    return (stored,) * count


_REST, _PAIRS, _FIELDS, _VALUES = slice(1, None), slice(1, None, 2), slice(2, None, 2), slice(2, None)
_SECOND, _THIRD, _FOURTH = slice(2, 3), slice(3, 4), slice(4, 5)
_STORE, _READ, _RELEASE = Does.STORE, Does.READ, Does.RELEASE

_TABLE: dict[str, Command] = {
    "SET": Command(_STORE, _set, values=_SECOND),
    "SETEX": Command(_STORE, _always, values=_THIRD),
    "PSETEX": Command(_STORE, _always, values=_THIRD),
    "SETNX": Command(_STORE, _truth, values=_SECOND),
    "GETSET": Command(_STORE, _always, values=_SECOND),
    "APPEND": Command(_STORE, _always, values=_SECOND),
    "SETRANGE": Command(_STORE, _always, values=_THIRD),
    "MSET": Command(_STORE, _always, _PAIRS, values=_FIELDS),
    "MSETNX": Command(_STORE, _truth, _PAIRS, values=_FIELDS),
    "HSET": Command(_STORE, _always, members=_FIELDS, values=slice(3, None, 2)),
    "HMSET": Command(_STORE, _always, members=_FIELDS, values=slice(3, None, 2)),
    "HSETNX": Command(_STORE, _truth, members=_SECOND, values=_THIRD),
    "HINCRBY": Command(_STORE, _always, members=_SECOND),
    "HINCRBYFLOAT": Command(_STORE, _always, members=_SECOND),
    "SADD": Command(_STORE, _always, members=_VALUES),
    "ZADD": Command(_STORE, _always, members=_VALUES),
    "ZINCRBY": Command(_STORE, _always, members=_THIRD),
    "LSET": Command(_STORE, _always, values=_THIRD),
    "LINSERT": Command(_STORE, _truth, values=_FOURTH),
    "JSON.SET": Command(_STORE, _found, values=_THIRD),
    "RENAME": Command(_STORE, _always, _SECOND),
    "RENAMENX": Command(_STORE, _truth, _SECOND),
    "COPY": Command(_STORE, _truth, _SECOND),
    "DEL": Command(_RELEASE, _counted, _REST),
    "UNLINK": Command(_RELEASE, _counted, _REST),
    "GETDEL": Command(_RELEASE, _found),
    "JSON.DEL": Command(_RELEASE, _counted),
    "HDEL": Command(_RELEASE, _counted, members=_VALUES),
    "SREM": Command(_RELEASE, _counted, members=_VALUES),
    "ZREM": Command(_RELEASE, _counted, members=_VALUES),
    "GET": Command(_READ, _found),
    "GETEX": Command(_READ, _found),
    "MGET": Command(_READ, _each, _REST),
    "EXISTS": Command(_READ, _some, _REST),
    "TOUCH": Command(_READ, _some, _REST),
    "TTL": Command(_READ, _lives),
    "PTTL": Command(_READ, _lives),
    "HGET": Command(_READ, _found, members=_SECOND),
    "HMGET": Command(_READ, _each, members=_VALUES),
    "HEXISTS": Command(_READ, _truth, members=_SECOND),
    "HSTRLEN": Command(_READ, _truth, members=_SECOND),
    "SISMEMBER": Command(_READ, _truth, members=_SECOND),
    "SMISMEMBER": Command(_READ, _each, members=_VALUES),
    "ZSCORE": Command(_READ, _found, members=_SECOND),
    "ZMSCORE": Command(_READ, _each, members=_VALUES),
    "ZRANK": Command(_READ, _found, members=_SECOND),
    "ZREVRANK": Command(_READ, _found, members=_SECOND),
    "JSON.GET": Command(_READ, _found),
}
_TABLE.update(
    (name, Command(_STORE, _always)) for name in ("INCR", "INCRBY", "INCRBYFLOAT", "DECR", "DECRBY", "SETBIT", "PFADD")
)
_TABLE.update((name, Command(_STORE, _truth, values=_VALUES)) for name in ("LPUSH", "RPUSH", "LPUSHX", "RPUSHX"))
_TABLE.update(
    (name, Command(_READ, _truth))
    for name in (
        "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT", "PERSIST", "STRLEN", "GETRANGE", "SUBSTR", "GETBIT", "BITCOUNT",
        "HGETALL", "HKEYS", "HVALS", "HLEN", "SMEMBERS", "SCARD", "SRANDMEMBER", "SPOP", "ZCARD", "ZCOUNT", "ZRANGE",
        "ZREVRANGE", "ZRANGEBYSCORE", "ZREVRANGEBYSCORE", "ZPOPMIN", "ZPOPMAX", "LRANGE", "LLEN", "LINDEX", "LPOP",
        "RPOP", "LREM", "LTRIM", "LPOS",
    )
)  # fmt: skip
_TABLE.update((name, Command(_READ, _unknown)) for name in ("TYPE", "DUMP", "HSCAN", "SSCAN", "ZSCAN", "WATCH"))

COMMANDS: Mapping[str, Command] = MappingProxyType(_TABLE)
CLEARS = frozenset({"FLUSHDB", "FLUSHALL"})
SCRIPTS = frozenset({"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO"})
