"""requests: what a session sends, redirects included, whatever adapter carries it; and what OAuth answers issue.

A retry that an adapter makes is told by urllib3. Bodies from files and iterators are not seen.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.answers import Answers
from rasp.instruments.kit import Kit
from rasp.instruments.sends import Outgoing, Sends
from rasp.ledger.hosts import target_of
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like

HOLDER = "requests"


class SessionHooks:
    """What requests sent and received."""

    def __init__(self, kit: Kit) -> None:
        self._sends = kit.shared(Sends)
        self._answers = kit.shared(Answers)

    def send(self, session: Any, args: Any, kwargs: Any) -> Verdict | None:
        """``send(request)``, once it is prepared."""
        request = args[0] if args else kwargs.get("request")
        if request is None or not hasattr(request, "path_url"):
            return None  # it is not prepared, and will be refused
        url = str(request.url)
        target = target_of(url)
        if target is None:
            return None
        out = Outgoing(request.method, target, url, (request.headers or {}).items(), request.body)
        return self._sends.outermost(HOLDER, out, top=True)

    def answered(self, answer: Any) -> None:
        """An answer; its body is looked at where it has been read."""
        self._answers.received(HOLDER, answer.headers.get("Content-Type"), getattr(answer, "_content", None))


def instrument(kit: Kit) -> Instrument:
    """The instrument of requests."""
    hooks, sends = SessionHooks(kit), kit.shared(Sends)
    answered = kit.hook("requests.answer", hooks.answered)

    def reading(original: Any) -> Any:
        def json(self: Any, *args: Any, **kwargs: Any) -> Any:
            document = original(self, *args, **kwargs)
            answered(self)
            return document

        return named_like(original, json)

    return Instrument(
        name="requests",
        library="requests",
        supported=">=2.25",
        points=(
            PatchPoint(
                "requests.sessions",
                "Session.send",
                sends.covering(kit.hook("requests.send", hooks.send), lambda session, answer: answered(answer)),
            ),
            PatchPoint("requests.models", "Response.json", reading),
        ),
        unreachable=("requests sent by an adapter that was called without a session, unless urllib3 carries them",),
    )
