"""Standard output and error, where the setting ``streams`` asks for them, and gunicorn's ``wsgi.errors``.

A stream keeps its identity: only its ``write`` is put in front of, on the object itself, so that what others keep of
it, compare or swap in its place goes on as before. What libraries write that have an instrument of their own is told
there. Not seen: what is written to a stream's ``buffer`` or file descriptor, and to a stream that is put in the place
of ``sys.stdout`` after rasp was installed. Other servers' ``wsgi.errors`` is ``sys.stderr``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from rasp.instruments.kit import Kit, obey
from rasp.instruments.printed import Printed, told_elsewhere
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like

_ABSENT = object()


class Streams:
    """Judges what is written to streams."""

    def __init__(self, kit: Kit) -> None:
        self._names = kit.config.streams
        self._printed = Printed(kit)
        self._wrapped: list[tuple[Any, object, object]] = []
        self.written = kit.hook("streams.write", self._written)

    def _written(self, name: str, text: object) -> Verdict | None:
        hits = self._printed.hits(text)
        # The frames of this method, of the guard and of the wrapper lie in between.
        if not hits or told_elsewhere(sys._getframe(3)):
            return None
        return self._printed.report(str(text), hits, name, None)

    def make(self, name: str, original: Any) -> Any:
        """A ``write`` that judges first; it returns what the original would have."""
        written = self.written

        def write(text: Any, *args: Any) -> Any:
            verdict = written(name, text)
            if verdict is None or verdict.text is None:
                result = original(text, *args)
            else:
                result = original(verdict.text, *args)
                result = len(text) if isinstance(result, int) else result
            obey(verdict)
            return result

        return named_like(original, write)

    def installed(self, module: ModuleType) -> None:
        """Puts itself in front of the streams that are asked for."""
        if module is not sys:
            return
        for name in self._names:
            stream = getattr(sys, name, None)
            if stream is None or not hasattr(stream, "__dict__") or not hasattr(stream, "write"):
                continue
            before = vars(stream).get("write", _ABSENT)
            wrapper = self.make(name, stream.write)
            stream.write = wrapper
            self._wrapped.append((stream, before, wrapper))

    def removed(self) -> None:
        """Leaves the streams as they were, unless somebody else has put themselves in front since."""
        for stream, before, wrapper in reversed(self._wrapped):
            if vars(stream).get("write") is wrapper:
                if before is _ABSENT:
                    del stream.write
                else:
                    stream.write = before
        self._wrapped.clear()


def instruments(kit: Kit) -> list[Instrument]:
    """The instruments of the standard streams, and of what gunicorn gives an app to write errors to."""
    streams = kit.shared(Streams)

    def make(original: Any) -> Any:
        def write(self: Any, data: Any) -> Any:
            verdict = streams.written("wsgi.errors", data)
            result = original(self, data if verdict is None or verdict.text is None else verdict.text)
            obey(verdict)
            return result

        return named_like(original, write)

    return [
        Instrument(
            "streams",
            "python",
            ">=3.11",
            (),
            ("what is written to a stream's buffer or file descriptor, or to a stream put in its place later",),
            streams.installed,
            streams.removed,
        ),
        Instrument(
            "wsgi.errors",
            "gunicorn",
            ">=20",
            (PatchPoint("gunicorn.http.wsgi", "WSGIErrorsWrapper.write", make, own_only=True),),
        ),
    ]
