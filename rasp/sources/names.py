"""The names under which credentials travel, as configured: built in, added, cut and declared."""

from __future__ import annotations

from typing import NamedTuple

from rasp.config import Config
from rasp.declarations import normal
from rasp.model import Kind

API_KEY_HEADERS = ("X-API-Key", "Api-Key", "X-API-Token", "X-Auth-Token", "X-Access-Token")
STRONG_NAMES = ("api_key", "apikey", "access_token", "auth_token", "refresh_token")
WEAK_NAMES = ("key", "token", "id_token", "ticket")
COOKIES = (*STRONG_NAMES, *WEAK_NAMES, "remember_token", "access_token_cookie", "refresh_token_cookie")
CSRF = ("csrf", "xsrf")


class Named(NamedTuple):
    """What a name stands for: a kind, and whether its value needs further evidence."""

    kind: Kind
    weak: bool = False


def is_csrf(name: str) -> bool:
    """Whether a value under this name protects against request forgery and is no credential."""
    lowered = name.lower()
    return any(part in lowered for part in CSRF)


class Names(NamedTuple):
    """Lookup tables, by normalised name; headers by their ``environ`` key with the name as it is reported."""

    headers: dict[str, tuple[str, Named]]
    cookies: dict[str, Named]
    query: dict[str, Named]
    form: dict[str, Named]
    json: dict[str, Named]
    route: dict[str, Named]

    @classmethod
    def of(cls, config: Config) -> Names:
        """The tables for a configuration."""
        headers = {name: Named(Kind.API_KEY) for name in API_KEY_HEADERS}
        _edit(headers, config.headers, Named(Kind.API_KEY))
        cookies = {normal(name): Named(Kind.CUSTOM) for name in COOKIES}
        _edit_normal(cookies, config.cookies)
        names = {normal(name): Named(Kind.CUSTOM) for name in STRONG_NAMES}
        names |= {normal(name): Named(Kind.CUSTOM, weak=True) for name in WEAK_NAMES}
        _edit_normal(names, config.names)
        tables = {place: dict(names) for place in ("query", "form", "json", "route")}
        tables["cookie"] = cookies
        by_key = {_environ_key(name): (name.lower(), what) for name, what in headers.items()}
        for source in config.credential:
            if source.place == "header":
                for key in [key for key, (name, _) in by_key.items() if normal(name) == normal(source.name)]:
                    del by_key[key]
                by_key[_environ_key(source.name)] = (source.name.lower(), Named(source.kind))
            elif source.place != "env":
                tables[source.place][source.name] = Named(source.kind)
        return cls(by_key, cookies, tables["query"], tables["form"], tables["json"], tables["route"])


def _environ_key(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


def _edit(table: dict[str, Named], changes: tuple[str, ...], added: Named) -> None:
    for change in changes:
        if change.startswith("-"):
            for name in [name for name in table if normal(name) == normal(change[1:])]:
                del table[name]
        else:
            table[change] = added


def _edit_normal(table: dict[str, Named], changes: tuple[str, ...]) -> None:
    for change in changes:
        if change.startswith("-"):
            table.pop(normal(change[1:]), None)
        else:
            table[normal(change)] = Named(Kind.CUSTOM)
