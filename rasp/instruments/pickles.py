"""pickle: objects dumped to a file on disk by ``pickle.dump``, with what stands in their containers and attributes.

A dump to memory is no write. ``pickle.Pickler`` is an immutable type: what it writes to a file that the app opened is
seen there.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import argument
from rasp.instruments.kit import Kit, obey
from rasp.instruments.lookalikes import one_for_all
from rasp.instruments.stored import Stored, is_regular, pickle_depth
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint

HOLDER = "pickle"


def instrument(kit: Kit) -> Instrument:
    """The instrument of pickle."""
    stored, depth = kit.shared(Stored), kit.shared(pickle_depth)

    def dumping(args: Any, kwargs: Any) -> tuple[Verdict | None] | None:
        hits = stored.found(argument(args, kwargs, 0, "obj"))
        if not hits or not is_regular(argument(args, kwargs, 1, "file")):
            return None
        return (stored.report(HOLDER, hits),)

    hook = kit.hook("pickle.dump", dumping)

    def dump(original: Any, args: Any, kwargs: Any) -> Any:
        told = hook(args, kwargs) if stored.possible else None
        if told is None:
            return original(*args, **kwargs)
        obey(told[0])
        depth.set(True)
        try:
            return original(*args, **kwargs)
        finally:
            depth.set(False)

    dumper = one_for_all(dump)
    return Instrument(
        name=HOLDER,
        library="python",
        supported=">=3.11",
        points=(PatchPoint("pickle", "dump", dumper), PatchPoint("_pickle", "dump", dumper, optional=True)),
        unreachable=(
            "pickle.Pickler, whose type is immutable, on files that were not opened by the app's code",
            "credentials that only an object's own __reduce__ or __getstate__ brings out, on such files",
        ),
    )
