"""Keys that a JWT library is given: texts, PEM, JWK and key objects of any library, of which the secret part counts.

Public keys, certificates and key sets without private members are no secrets. Not seen: keys that a callback returns.
"""

from __future__ import annotations

import base64
import binascii
import json
import weakref
from collections.abc import Mapping
from typing import Any

from rasp.instruments.key_material import KeyMaterial
from rasp.instruments.kit import Kit, as_text
from rasp.instruments.private_keys import secret_lines

_SECRET_MEMBERS = ("k", "d", "p", "q", "dp", "dq", "qi")
"""Private members of a JWK (RFC 7518, section 6)."""
_MEMBERS = ("tokens", "dict_value")
"""Where the key objects of authlib and joserfc keep their JWK."""
_BOUND = 1_000
_KEYS = 32
_LONGEST = 65_536


class OwnKeys:
    """Enters keys as the app's own secrets; what was seen before costs a look-up."""

    def __init__(self, kit: Kit) -> None:
        self._ledger = kit.ledger
        self._material = kit.shared(KeyMaterial)
        self._texts: set[int] = set()
        self._objects: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def learn(self, source: str, key: Any) -> None:
        """A library was given a key, or several."""
        if key is None or isinstance(key, (bool, int, float)):
            return
        if isinstance(key, (str, bytes, bytearray)):
            self._text(source, key)
        elif isinstance(key, Mapping):
            self._jwk(source, key)
        elif isinstance(key, (list, tuple, set, frozenset)):
            for entry in tuple(key)[:_KEYS]:
                if not isinstance(entry, (list, tuple)):
                    self.learn(source, entry)
        else:
            self._object(source, key)

    def _text(self, source: str, key: str | bytes | bytearray) -> None:
        text = as_text(key) or ""
        pem = "-----BEGIN" in text
        if not pem and not text.lstrip().startswith("{"):
            self._material.owned(source, key)
            return
        if hash(text) in self._texts or len(self._texts) >= _BOUND or len(text) > _LONGEST:
            return
        self._texts.add(hash(text))
        if pem:
            for line in secret_lines(text):
                self._ledger.own(line, source)
            return
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            self._material.owned(source, key)
            return
        self.learn(source, parsed)

    def _jwk(self, source: str, key: Mapping[Any, Any]) -> None:
        if "keys" in key:
            keys = key["keys"]
            self.learn(source, keys if isinstance(keys, (list, tuple)) else None)
        elif "kty" in key:
            for name in _SECRET_MEMBERS:
                member = key.get(name)
                if isinstance(member, str):
                    self._ledger.own(member, source)
            if key["kty"] == "oct" and isinstance(key.get("k"), str):
                self._material.owned(source, _decoded(key["k"]))
        else:  # certificates and keys by their ids
            for entry in tuple(key.values())[:_KEYS]:
                if isinstance(entry, (str, bytes)):
                    self.learn(source, entry)

    def _object(self, source: str, key: Any) -> None:
        if self._objects.get(id(key)) is key:
            return
        try:
            self._objects[id(key)] = key
        except TypeError:  # it takes no weak reference
            return
        inner = getattr(key, "keys", None)
        if isinstance(inner, (list, tuple)):
            self.learn(source, inner)
            return
        for name in _MEMBERS:
            members = getattr(key, name, None)
            if isinstance(members, Mapping):
                self._jwk(source, members)
                return
        export = getattr(key, "to_dict", None)  # python-jose
        if export is not None and not isinstance(key, type):
            self.learn(source, export())


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return b""
