"""Requests that the app sends: whose credentials go where, and how."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rasp.config import Config
from rasp.ledger.desk import Desk
from rasp.ledger.events import Sent
from rasp.ledger.exposures import first_seen
from rasp.ledger.facts import Exposure, Fact, Leak, SentElsewhere, SentInPlaintext, SpentOnLlm
from rasp.ledger.hits import Hit
from rasp.ledger.hosts import Hosts, is_loopback, is_near, target_of
from rasp.ledger.scopes import Occurrence, RequestScope
from rasp.ledger.strength import Strength, strength
from rasp.ledger.value import LiveValue, Rank
from rasp.model import Action, Kind

_CREDENTIAL_HEADERS = ("AUTH", "SIGNATURE", "TOKEN", "SECRET", "API_KEY", "APIKEY")
"""What the name of a header holds in which a caller presents something, whether rasp follows it or not."""

_CALLER = frozenset({"QUERY_STRING", "PATH_INFO", "REQUEST_URI", "RAW_URI"})


class SendingBook:
    """Turns what goes out over HTTP into facts: a value in the URL is told of once, all others by where they go."""

    def __init__(self, desk: Desk, config: Config) -> None:
        self._desk = desk
        self._allowed = Hosts(config.allowed_hosts)
        self._verified_upstream = config.verified_upstream

    def sent(self, event: Sent) -> Sequence[Fact]:
        """A request is about to be sent."""
        scope = self._desk.scopes.here()
        facts: list[Fact] = []
        seen: dict[LiveValue | None, Occurrence] = {}
        shown = _each(event.in_url)
        if scope is None and is_loopback(event.target.host):
            return ()  # a driver or a job of this machine's own, talking to it: no request of the app's is concerned
        for live, hit in shown.items():
            seen[live] = self._occur(Action.EXPOSE, event, live, scope)
            trail = (*first_seen(live, scope), seen[live])
            # `in_url` is true of each: a single-use ticket in a URL is how its protocols work.
            facts.append(
                Exposure(
                    live=live,
                    trail=trail,
                    scope=scope,
                    place=event.place,
                    sink="outbound_url",
                    short=hit.short,
                    in_url=True,
                )
            )
        for live in _each(event.hits):
            if live not in shown:
                facts += self._given(event, live, scope, seen)
        if event.spends and scope is not None:
            facts += self._spent(event, scope, seen)
        return facts

    def _given(
        self, event: Sent, live: LiveValue, scope: RequestScope | None, seen: dict[LiveValue | None, Occurrence]
    ) -> Iterable[Fact]:
        """A credential goes out in a header or the body."""
        where = event.target
        loopback = is_loopback(where.host)
        elsewhere = leaked = False
        if scope is not None and live.kind is not Kind.SERVICE:
            if scope.has("presented") and live in scope.presented:
                elsewhere = not loopback and not self._is_allowed(event, scope)
            else:
                leaked = not self._desk.belongs(scope, live)
        plain = where.plain and not loopback
        action = Action.EXPOSE if elsewhere or leaked or plain else Action.USE
        if action is Action.USE and scope is None:
            return
        seen[live] = self._occur(action, event, live, scope)
        trail = (*first_seen(live, scope), seen[live])
        if elsewhere:
            yield SentElsewhere(live=live, trail=trail, scope=scope)
        if leaked:
            yield Leak(live=live, trail=(seen[live],), scope=scope, how="sent")
        if plain:
            near = is_near(where.host)
            yield SentInPlaintext(live=live, trail=trail, scope=scope, place=event.place, near=near)

    def _occur(self, action: Action, event: Sent, live: LiveValue | None, scope: RequestScope | None) -> Occurrence:
        where: str | None = event.target.shown
        # A host that the caller chose may hold anything: long runs are masked as in any slot, short values here.
        lives = {*([] if live is None else [live]), *(scope.own() if scope is not None else ())}
        if any(other.text and other.text.lower() in event.target.host for other in lives):
            where = None
        return self._desk.occur(action, event.holder, where, event.path, live, scope)

    def _is_allowed(self, event: Sent, scope: RequestScope) -> bool:
        if self._allowed.match(event.target):
            return True
        name = getattr(scope.app, "config", {}).get("SERVER_NAME")
        own = target_of(f"http://{name}") if isinstance(name, str) else None
        return own is not None and own.host == event.target.host

    # The app's own key for an LLM provider

    def _spent(self, event: Sent, scope: RequestScope, seen: dict[LiveValue | None, Occurrence]) -> Iterable[Fact]:
        """The app's own key pays for this request, and nobody was seen to check who asked for it."""
        own, key = self._own_key(event, scope)
        if not own:
            return
        presented = tuple(scope.presented) if scope.has("presented") else ()
        verified = scope.has("verified") and bool(scope.verified)
        if verified or any(live.rank is Rank.VERIFIED for live in presented):
            return
        if self._verified_upstream and presented:
            return
        spent = seen.get(key) or self._occur(Action.USE, event, key, scope)
        presents = bool(presented) or _presents_anything(scope)
        yield SpentOnLlm(live=key, trail=(spent,), scope=scope, presented=presents)

    def _own_key(self, event: Sent, scope: RequestScope) -> tuple[bool, LiveValue | None]:
        """Whether a request to a provider bears a key of the app's own, and which one if that is followed."""
        text = "\n".join(event.keys)
        lives = list(_each([*self._desk.values.find(text), *event.in_url]))
        if lives:
            if any(scope.has("presented") and live in scope.presented for live in lives):
                return False, None
            service = next((live for live in lives if live.kind is Kind.SERVICE), None)
            return service is not None, service
        tokens = [key.rpartition(" ")[2] for key in event.keys]
        tokens = [token for token in tokens if strength(token) is Strength.FULL]
        return bool(tokens) and not any(_came_in(scope, token) for token in tokens), None


def _each(hits: Iterable[Hit]) -> dict[LiveValue, Hit]:
    """The credentials of some hits, each once."""
    found: dict[LiveValue, Hit] = {}
    for hit in hits:
        found.setdefault(hit.live, hit)
    return found


def _presents_anything(scope: RequestScope) -> bool:
    """Whether a caller presented something that rasp does not follow, or that is too weak to be followed."""
    if any(scope.has(name) and getattr(scope, name) for name in ("candidates", "weak")):
        return True
    names = [name for name in scope.environ or () if name.startswith("HTTP_") and "CSRF" not in name]
    if any(part in name for name in names if "XSRF" not in name for part in _CREDENTIAL_HEADERS):
        return True
    return bool((scope.environ or {}).get("REMOTE_USER"))


def _came_in(scope: RequestScope, token: str) -> bool:
    """Whether the caller sent a key along, in whatever place: then it is not the app's own."""
    for name, value in (scope.environ or {}).items():
        if isinstance(value, str) and token in value and (name.startswith("HTTP_") or name in _CALLER):
            return True
    recorded = getattr(scope.body, "recorded", None)
    if recorded is not None and token.encode("utf-8", "surrogateescape") in recorded():
        return True
    fields: Any = getattr(scope.request, "__dict__", {}).get("form") or {}
    return token in fields.values()
