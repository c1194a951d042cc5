"""Werkzeug's request data: which presented credentials the app reads, for the rule about those that nobody checks.

A header, and a member of the query, form or cookies, is read by its name; most often there is nothing to it but a
look-up of the value in a dictionary. Not seen: iteration over headers or members, ``getlist``, and ``environ`` itself,
which middleware does with all of them; JSON members and route variables need no look, since the app has them by then.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.kit import Kit
from rasp.ledger.value import Rank
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like

_VERIFIED = Rank.VERIFIED


def instrument(kit: Kit) -> Instrument:
    """The instrument of Werkzeug's headers and multi-dicts."""
    current, find = kit.ledger.scopes.current, kit.ledger.values.get

    hook = kit.hook("werkzeug.read", kit.ledger.checks.read)

    def reading(original: Any) -> Any:
        def read(self: Any, *args: Any, **kwargs: Any) -> Any:
            value = original(self, *args, **kwargs)
            if type(value) is str:
                scope = current.get()
                if scope is not None and scope.touched:
                    live = find(value)
                    if live is not None and live.rank < _VERIFIED:  # what is established need not be checked again
                        hook(scope, live)
            return value

        return named_like(original, read)

    def reading_itself(original: Any) -> Any:
        """Of versions before 3.1; later ones go through ``_get_key``."""
        return original if "_get_key" in original.__code__.co_names else reading(original)

    return Instrument(
        name="werkzeug.reads",
        library="werkzeug",
        supported=">=2.2,<4",
        points=(
            PatchPoint("werkzeug.datastructures", "EnvironHeaders.__getitem__", reading_itself),
            PatchPoint("werkzeug.datastructures", "EnvironHeaders._get_key", reading, optional=True),
            PatchPoint("werkzeug.datastructures", "MultiDict.__getitem__", reading),
        ),
        unreachable=("credentials read by iterating over headers or members, by getlist, or from environ itself",),
    )
