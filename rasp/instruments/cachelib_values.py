"""cachelib's ``FileSystemCache``: callers' credentials that are written to its files as values.

Its serializer is wrapped, whose ``dump`` writes to files only. What the caches over redis and memcached store is judged
at those clients; values in memory are fine. The entries themselves are followed by the instrument of cachelib.
"""

from __future__ import annotations

from typing import Any

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

    def written(args: Any, kwargs: Any) -> Verdict | None:
        return values.judge(Holder("cachelib.file", None), (argument(args, kwargs, 0, "value"),))

    hook = kit.hook("cachelib.values", written)

    def make(original: Any) -> Any:
        def dump(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            obey(hook(args, kwargs))
            return result

        return named_like(original, dump)

    return Instrument(
        name="cachelib.values",
        library="cachelib",
        supported=">=0.9",
        points=(PatchPoint("cachelib.serializers", "BaseSerializer.dump", make),),
        unreachable=("an app's own serializer, and values in uWSGI's, MongoDB's and DynamoDB's caches",),
    )
