"""Werkzeug: the fields of multipart forms. Other forms and JSON are read as they pass through ``wsgi.input``."""

from __future__ import annotations

from typing import Any

from rasp.instruments.kit import Kit
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like


def instrument(kit: Kit) -> Instrument:
    """The instrument of Werkzeug's form parser."""

    def fields(mimetype: object, result: Any) -> None:
        scope = kit.ledger.scopes.here()
        if scope is not None and mimetype == "multipart/form-data":
            kit.extractor.form(scope, [(str(name), str(value)) for name, value in result[1].items(multi=True)])

    parsed = kit.hook("werkzeug.form", fields)

    def make(original: Any) -> Any:
        def parse(self: Any, stream: Any, mimetype: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self, stream, mimetype, *args, **kwargs)
            parsed(mimetype, result)
            return result

        return named_like(original, parse)

    return Instrument(
        name="werkzeug.forms",
        library="werkzeug",
        supported=">=2.2,<4",
        points=(PatchPoint("werkzeug.formparser", "FormDataParser.parse", make),),
    )
