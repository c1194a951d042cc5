"""redis and valkey: what their synchronous clients store, look up and delete, alone, in pipelines and in a cluster.

Every command goes through ``execute_command``; those of a pipeline are judged when it is executed, by its results. The
slot of a hash field or a member of a set is the key with the member, where the credential shows in that; where it shows
in the key, the key. Deleting a field of such a hash is a use of it: the entry under the key stays. Connection errors
and aborted transactions are no events. A command inside another cache library's call is that library's; only the
values that it stores are judged here, where they leave the process.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from rasp.instruments.kit import Kit, as_text, obey
from rasp.instruments.redis_commands import CLEARS, COMMANDS, SCRIPTS, Command, Does
from rasp.instruments.redis_scripts import Scripts
from rasp.instruments.stored_values import StoredValues
from rasp.instruments.stores import Numbers, Stores, address
from rasp.ledger.events import Holder
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint, named_like

_WORDS = {"redis": ("Redis", "RedisCluster"), "valkey": ("Valkey", "ValkeyCluster")}
Touched = list[tuple[object, bool | None]]


class BackEnds:
    """Tells redis servers apart; shared by all that reach one: ``kit.shared(BackEnds)``."""

    def __init__(self, kit: Kit) -> None:
        self._numbers = Numbers()

    def of(self, client: Any) -> object:
        """The identity of a client's server and database, of a cluster its nodes."""
        pool = getattr(client, "connection_pool", None)
        if pool is None:
            nodes = getattr(getattr(client, "nodes_manager", None), "nodes_cache", None)
            return ("cluster", frozenset(nodes)) if nodes else self._numbers.of(client)
        options = pool.connection_kwargs
        database = options.get("db") or 0
        if "path" in options:
            return ("socket", os.path.realpath(str(options["path"])), database)
        if getattr(pool, "service_name", None) is not None:
            return ("sentinel", pool.service_name, database)
        server = options.get("server")  # fakeredis: a server inside the process
        if server is not None:
            return ("fake", self._numbers.of(server), database)
        return (*address(options.get("host", "localhost"), options.get("port", 6379)), database)


class RedisHooks:
    """What clients were asked, and what the server answered."""

    def __init__(self, kit: Kit, name: str) -> None:
        self._name = name
        self._back_ends = kit.shared(BackEnds)
        self._stores = Stores(kit, self._holder)
        self._values = kit.shared(StoredValues)
        self._scripts = Scripts()

    def _holder(self, client: Any) -> Holder:
        return Holder(self._name, self._back_ends.of(client))

    def ran(self, client: Any, args: Sequence[Any], result: Any) -> Verdict | None:
        """One command was answered."""
        word = args[0]
        command = COMMANDS.get(word)
        if command is None:
            if not isinstance(word, str):
                return None
            word = word.upper()
            command = COMMANDS.get(word)
            if command is None:
                return self._others(client, word, args)
        inside = self._stores.depth.inside()
        verdict = None if inside else self._touched(client, command, args, result)
        if command.values is not None:
            verdict = verdict or self._values.judge(Holder(self._name, None), args[command.values])
        return verdict

    def _touched(self, client: Any, command: Command, args: Sequence[Any], result: Any) -> Verdict | None:
        """The names of a command that show a credential: its keys first, else their members."""
        shows = self._stores.shows
        keys = args[command.keys]
        shown = [at for at, key in enumerate(keys) if shows(key, hit=True) is not None]
        if command.members is None:
            if not shown:
                return None
            told = command.told(args, result, len(keys))
            return self._happened(client, command.does, [(keys[at], told[at]) for at in shown])
        members = args[command.members]
        if shown and shows(keys[0]) is not None:
            does = Does.READ if command.does is Does.RELEASE else command.does
            told = command.told(args, result, len(members))
            return self._happened(client, does, [(keys[0], any(told))])
        shown = [at for at, member in enumerate(members) if shows(member, hit=True) is not None]
        if not shown:
            return None
        told, key = command.told(args, result, len(members)), as_text(keys[0]) or str(keys[0])
        return self._happened(client, command.does, [(f"{key}[{as_text(members[at])}]", told[at]) for at in shown])

    def _happened(self, client: Any, does: Does, touched: Touched) -> Verdict | None:
        if does is Does.RELEASE:
            return self._stores.removed(client, touched)
        if does is Does.READ:
            return self._stores.read(client, ((name, bool(was)) for name, was in touched))
        verdict = self._stores.stored(client, *(name for name, was in touched if was))
        held_back = [(name, False) for name, was in touched if not was]
        return verdict or self._stores.read(client, held_back)

    def _others(self, client: Any, word: str, args: Sequence[Any]) -> Verdict | None:
        if word in SCRIPTS and len(args) > 2:
            return self._evaluated(client, word, args)
        if word == "SCRIPT LOAD" and len(args) > 1:
            self._scripts.learn(args[1])
        elif word in CLEARS and not self._stores.depth.inside():
            self._stores.cleared(client)
        return None

    def _evaluated(self, client: Any, word: str, args: Sequence[Any]) -> Verdict | None:
        count = int(args[2])
        keys, values = args[3 : 3 + count], args[3 + count :]
        stores = self._scripts.stores(word, args[1])
        if "SHA" not in word:
            self._scripts.learn(args[1])
        verdict: Verdict | None = None
        if not self._stores.depth.inside():
            does = Does.STORE if stores else Does.READ
            verdict = self._happened(client, does, [(key, stores) for key in keys])
        if stores:
            verdict = verdict or self._values.judge(Holder(self._name, None), values, noted=True)
        return verdict

    def made(self, script: Any) -> None:
        """A client made a script, to be called by its digest."""
        self._scripts.learn(script.script, script.sha)

    def queued(self, pipeline: Any) -> list[Sequence[Any]]:
        """The commands that a pipeline is about to execute."""
        stack = getattr(pipeline, "command_stack", None) or ()
        strategy = getattr(pipeline, "_execution_strategy", None)
        if strategy is not None:
            stack = strategy.command_queue
        return [command[0] if isinstance(command, tuple) else command.args for command in stack]

    def executed(self, pipeline: Any, queue: list[Sequence[Any]], results: Any) -> Verdict | None:
        """A pipeline was executed; a command that failed did nothing."""
        verdict: Verdict | None = None
        if isinstance(results, list) and len(results) == len(queue):
            for args, result in zip(queue, results, strict=True):
                if args and not isinstance(result, Exception):
                    verdict = self.ran(pipeline, args, result) or verdict
        return verdict


def _points(kit: Kit, name: str) -> tuple[PatchPoint, ...]:
    hooks = RedisHooks(kit, name)
    ran = kit.hook(f"{name}.command", hooks.ran)
    queued, executed = kit.hook(f"{name}.queue", hooks.queued), kit.hook(f"{name}.pipeline", hooks.executed)
    made = kit.hook(f"{name}.script", hooks.made)

    def command(original: Any) -> Any:
        def execute_command(self: Any, *args: Any, **options: Any) -> Any:
            result = original(self, *args, **options)
            if args:
                obey(ran(self, args, result))
            return result

        return named_like(original, execute_command)

    def pipeline(original: Any) -> Any:
        def execute(self: Any, *args: Any, **kwargs: Any) -> Any:
            queue = queued(self)
            results = original(self, *args, **kwargs)
            if queue:
                obey(executed(self, queue, results))
            return results

        return named_like(original, execute)

    def script(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            made(self)

        return named_like(original, __init__)

    client, cluster = _WORDS[name]
    rows: tuple[tuple[str, str, Make, bool], ...] = (
        ("commands.core", "Script.__init__", script, True),
        ("client", f"{client}.execute_command", command, False),
        ("client", "Pipeline.immediate_execute_command", command, False),
        ("client", "Pipeline.execute", pipeline, False),
        ("cluster", f"{cluster}.execute_command", command, True),
        ("cluster", "ClusterPipeline.execute", pipeline, True),
    )
    return tuple(PatchPoint(f"{name}.{module}", path, make, optional) for module, path, make, optional in rows)


def instruments(kit: Kit) -> list[Instrument]:
    """The instruments of redis and of valkey, which is a fork of it."""
    return [
        Instrument(
            name=name,
            library=name,
            supported=supported,
            points=_points(kit, name),
            unreachable=(
                f"{name}.asyncio: made for ASGI, which is not followed",
                "commands queued with WATCH in a cluster's transaction, and what a Lua script deletes",
                "a pipeline that raises the error of one command: what its other commands did is not told",
            ),
        )
        for name, supported in (("redis", ">=4"), ("valkey", ">=6"))
    ]
