"""Makes two requests overlap on purpose, at an exact point and without sleeping.

A request that came with ``?pause=NAME`` stops where the route calls ``pause``. Whoever drives the app waits
for it with ``GET /meetings/NAME/arrived``, does something else meanwhile, and then lets it go on with
``POST /meetings/NAME/go``.
"""

import threading
from dataclasses import dataclass, field

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

PATIENCE = 10.0
"""Seconds after which nobody waits any longer."""


@dataclass
class Meeting:
    """One point where a request waits."""

    arrived: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)


meetings: dict[str, Meeting] = {}
blueprint = Blueprint("meetings", __name__, url_prefix="/meetings")


def pause(parameter: str = "pause") -> None:
    """Stops here until the driver says go, if the request has that query parameter."""
    name = request.args.get(parameter)
    if name is not None:
        meeting = meetings.setdefault(name, Meeting())
        meeting.arrived.set()
        meeting.go.wait(PATIENCE)


@blueprint.get("/<name>/arrived")
def arrived(name: str) -> ResponseReturnValue:
    """Answers when the request has come to its pause."""
    return {"arrived": meetings.setdefault(name, Meeting()).arrived.wait(PATIENCE)}


@blueprint.post("/<name>/go")
def go(name: str) -> ResponseReturnValue:
    """Lets the request go on."""
    meetings.setdefault(name, Meeting()).go.set()
    return {"go": True}
