"""cachelib's ``FileSystemCache``: callers' credentials that are written to its files as values.

Every way to store ends in its ``set``. What the caches over redis and memcached store is judged at those clients;
values in memory are fine. The entries themselves are followed by the instrument of cachelib.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.caches import directory
from rasp.instruments.key_material import argument
from rasp.instruments.kit import Kit, obey
from rasp.instruments.stored_values import StoredValues
from rasp.ledger.events import Holder
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like


def instrument(kit: Kit) -> Instrument:
    """The instrument of what cachelib writes to files."""
    values = kit.shared(StoredValues)

    def written(cache: Any, args: Any, kwargs: Any) -> Verdict | None:
        value = argument(args, kwargs, 1, "value")
        return values.judge(Holder("cachelib.file", directory(cache)), (value,))

    hook = kit.hook("cachelib.values", written)

    def make(original: Any) -> Any:
        def set(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            if result is not False:
                obey(hook(self, args, kwargs))
            return result

        return named_like(original, set)

    return Instrument(
        name="cachelib.values",
        library="cachelib",
        supported=">=0.9",
        points=(PatchPoint("cachelib.file", "FileSystemCache.set", make),),
        unreachable=("values in uWSGI's, MongoDB's and DynamoDB's caches",),
    )
