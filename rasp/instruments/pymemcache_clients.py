"""pymemcache: what its clients store, look up and delete.

``PooledClient``, ``HashClient`` and ``RetryingClient`` all end in a ``Client``, one for each server: it alone is
wrapped, and tells which server has an entry. A ``noreply`` delete, which is the default, tells not whether there was
something.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rasp.instruments.key_material import argument
from rasp.instruments.kit import Kit, as_text, obey
from rasp.instruments.stored_values import StoredValues
from rasp.instruments.stores import Stores, address
from rasp.ledger.events import Holder
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint, named_like

_NAMED = (list, tuple, set, frozenset, dict)
"""What may be gone through again after the call; an iterator may not."""
HOLDER = "memcached"


class MemcacheHooks:
    """What memcached was asked, and what it answered."""

    def __init__(self, kit: Kit) -> None:
        self.stores = Stores(kit, self._holder)
        self._values = kit.shared(StoredValues)

    def _holder(self, client: Any) -> Holder:
        server = client.server
        return Holder(HOLDER, address(*server) if isinstance(server, tuple) else ("socket", str(server)))

    def _name(self, client: Any, key: Any) -> object:
        prefix = as_text(client.key_prefix)
        text = as_text(key)
        return f"{prefix}{text}" if prefix and text is not None else key

    def valued(self, client: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """Values were sent, whoever asked for it: judged where they leave the process."""
        values = argument(args, kwargs, 0, "values")
        given = values.values() if isinstance(values, dict) else (argument(args, kwargs, 1, "value"),)
        return self._values.judge(Holder(HOLDER, None), given)

    def stored(self, client: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``set``, ``add``, ``replace``, ``append``, ``prepend``, ``cas``; counters answer ``None`` for lack of one."""
        if result is False or result is None:
            return None
        return self.stores.stored(client, self._name(client, argument(args, kwargs, 0, "key")))

    def stored_many(self, client: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``set_many`` answers the keys that were not stored."""
        values = argument(args, kwargs, 0, "values")
        names = [self._name(client, key) for key in values if key not in result] if isinstance(values, dict) else ()
        return self.stores.stored(client, *names)

    def read(self, client: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``get``, ``touch``: what is answered for lack of an entry is the default, or ``False``."""
        return self._read(client, args, kwargs, result, argument(args, kwargs, 1, "default"))

    def read_renewing(self, client: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``gat``, whose second argument is a time."""
        return self._read(client, args, kwargs, result, argument(args, kwargs, 2, "default"))

    def read_with_token(self, client: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``gets`` and ``gats`` answer an entry with its token, which is ``None`` for lack of one by default."""
        return self._read(client, args, kwargs, result[1], argument(args, kwargs, 2, "cas_default"))

    def _read(self, client: Any, args: Any, kwargs: Any, found: Any, default: Any) -> Verdict | None:
        hit = found is not None and found is not False and found is not default
        return self.stores.read(client, ((self._name(client, argument(args, kwargs, 0, "key")), hit),))

    def read_many(self, client: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``get_many`` answers what it found."""
        keys = argument(args, kwargs, 0, "keys")
        names: Iterable[Any] = keys if isinstance(keys, _NAMED) else result
        return self.stores.read(client, [(self._name(client, key), key in result) for key in names])

    def removed(self, client: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``delete``."""
        removed = bool(result) if self._answered(client, argument(args, kwargs, 1, "noreply")) else None
        return self.stores.removed(client, ((self._name(client, argument(args, kwargs, 0, "key")), removed),))

    def removed_many(self, client: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``delete_many`` says nothing of the single keys."""
        keys = argument(args, kwargs, 0, "keys")
        names = keys if isinstance(keys, _NAMED) else ()
        return self.stores.removed(client, [(self._name(client, key), None) for key in names])

    def _answered(self, client: Any, noreply: Any) -> bool:
        return not (client.default_noreply if noreply is None else noreply)

    def cleared(self, client: Any, args: Any, kwargs: Any, result: Any) -> None:
        """``flush_all``."""
        self.stores.cleared(client)


def instrument(kit: Kit) -> Instrument:
    """The instrument of pymemcache."""
    hooks = MemcacheHooks(kit)
    wrap = hooks.stores.wrap
    store, store_many = kit.hook("pymemcache.store", hooks.stored), kit.hook("pymemcache.store_many", hooks.stored_many)
    read, read_many = kit.hook("pymemcache.read", hooks.read), kit.hook("pymemcache.read_many", hooks.read_many)
    remove = wrap(kit.hook("pymemcache.remove", hooks.removed))
    remove_many = wrap(kit.hook("pymemcache.remove_many", hooks.removed_many))
    valued = kit.hook("pymemcache.values", hooks.valued)
    points: dict[str, Make] = {
        **dict.fromkeys(("set", "add", "replace", "append", "prepend", "cas"), valuing(wrap(store), valued)),
        **dict.fromkeys(("set_many", "set_multi"), valuing(wrap(store_many), valued)),
        **dict.fromkeys(("incr", "decr"), wrap(store)),
        **dict.fromkeys(("get", "touch"), wrap(read)),
        "gat": wrap(kit.hook("pymemcache.gat", hooks.read_renewing)),
        **dict.fromkeys(("gets", "gats"), wrap(kit.hook("pymemcache.gets", hooks.read_with_token))),
        **dict.fromkeys(("get_many", "get_multi", "gets_many"), wrap(read_many)),
        "delete": remove,
        **dict.fromkeys(("delete_many", "delete_multi"), remove_many),
        "flush_all": wrap(kit.hook("pymemcache.clear", hooks.cleared)),
    }
    return Instrument(
        name="pymemcache",
        library="pymemcache",
        supported=">=3",
        points=tuple(
            PatchPoint("pymemcache.client.base", f"Client.{name}", make, optional=name in ("gat", "gats"))
            for name, make in points.items()
        ),
        unreachable=("raw_command", "keys given to delete_many as an iterator"),
    )


def valuing(make: Make, valued: Any) -> Make:
    """A wrapper around another one, that has the values judged inside other libraries' calls too."""

    def outer(original: Any) -> Any:
        inner = make(original)

        def method(client: Any, *args: Any, **kwargs: Any) -> Any:
            result = inner(client, *args, **kwargs)
            obey(valued(client, args, kwargs, result))
            return result

        return named_like(original, method)

    return outer
