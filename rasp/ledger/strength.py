"""Which values count as a credential, and which part of a value is its secret.

Values are judged by shape alone: length, alphabet, and whether they read like a word. CWE-1391.
"""

from __future__ import annotations

import base64
import binascii
import enum
import functools
import json
import re

FULL_LENGTH = 16
SHORT_LENGTH = 8
DISTINCT = 8

PLACEHOLDERS = frozenset({
    "null", "none", "undefined", "nil", "nan", "test", "testing", "tester", "example", "sample", "secret",
    "password", "token", "apikey", "api_key", "api-key", "changeme", "change-me", "change_me", "placeholder",
    "dummy", "default", "bearer", "admin", "todo", "xxx", "your-api-key", "your_api_key", "your-token-here",
    "your_token_here", "insert-key-here", "true", "false",
})  # fmt: skip

_VENDOR = re.compile(
    r"(?:(?:sk|rk)_(?:live|test)_|whsec_|sk-(?:ant-|proj-|or-|svcacct-)?(?:api\d\d-)?|gh[pousr]_|github_pat_|glpat-|gl[a-z]{2,4}-"
    r"|xox[abeprs]-|xapp-|hf_|npm_|pypi-|dop_v1_|doo_v1_|shp(?:at|ca|pa|ss)_|SG\.|AIza|ya29\.|lin_api_|sq0(?:atp|csp)-"
    r"|EAACEdEose0cBA|key-(?=[0-9a-f]{32})|dapi(?=[0-9a-f]{32})|figd_|nfp_|tfp_|PMAK-|rubygems_|secret_(?=[A-Za-z0-9]{32}))"
)
_TOKEN_RUN = re.compile(r"[A-Za-z0-9_\-]+\Z")
_SIGNED = re.compile(
    r".+\.(?:[A-Za-z0-9_\-]{27}|[A-Za-z0-9_\-]{43}|[A-Za-z0-9_\-]{64}|[A-Za-z0-9_\-]{86})\Z", re.DOTALL
)
"""Parts joined by dots, the last of which is as long as a SHA-1, 256, 384 or 512 signature (itsdangerous)."""
_NAMED = re.compile(r"[A-Za-z0-9_\-]{4,40}[.:](?=[A-Za-z0-9_\-]{16,}\Z)")
"""The name of a key before its secret, which may stand in logs: ``<id>.<secret>``, ``<id>:<secret>``."""
_REMEMBER = re.compile(r".*\|[0-9a-f]{32,128}\Z", re.DOTALL)
_SPACE = re.compile(r"\s")
_COMMON_PAIRS = frozenset(
    re.findall(
        "..",
        "abacadagaialamanaparasatauaybabebiblbobsbucacechcickclcocrctcudadddedidodrdsdueaecedeeefegelemeneper"
        "esetevewexfafefffiflfofrfugegigngrgshahehihoiaibicidieifigiliminioipirisitivizkekilaldlelilllolsltlu"
        "lymamemimompmunancndnenfngninknonsntnvobocodogolomonoooporosotouovowpapepiplpoppprptqurarcrdrergrirm"
        "rnrorrrsrtrurysascseshsislsospssstsutatctethtitltotrtstttutyubueuiulumunupurusutvaveviwawewixpxtypze",
    )
)
"""The 200 pairs of letters that most different English words of four letters and more have."""
_WORDLIKE = 0.7
"""Of 5,000 random texts of 16 letters 17 have that share of them, of long words all."""


class Strength(enum.Enum):
    """How a value is followed: not at all, as a whole delimited run, or wherever it stands."""

    NONE = 0
    SHORT = 1
    FULL = 2


def strength(value: str) -> Strength:
    """How a value is followed.

    ``FULL``: 16 characters or more of token shape. ``SHORT``: 8 to 15 that mix letters and digits.
    """
    size = len(value)
    if size < SHORT_LENGTH or is_placeholder(value) or _SPACE.search(value):
        return Strength.NONE
    if size < FULL_LENGTH:
        mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
        return Strength.SHORT if mixed else Strength.NONE
    if value.startswith(("/", "./")) or len(set(value)) < DISTINCT or is_word(value):
        return Strength.NONE
    return Strength.FULL


def is_placeholder(value: str) -> bool:
    """Whether a value is ``null``, ``test`` or their like."""
    return value.lower() in PLACEHOLDERS


def is_word(value: str) -> bool:
    """Whether a value reads like one word of a natural language; hyphenated words and random letters do not."""
    if not value.isalpha() or not value.isascii() or len(value) > 30:
        return False
    if not (value.islower() or value.isupper() or value[1:].islower()):
        return False
    letters = value.lower()
    pairs = [letters[i : i + 2] for i in range(len(letters) - 1)]
    return sum(pair in _COMMON_PAIRS for pair in pairs) >= _WORDLIKE * len(pairs)


def is_jwt(value: str) -> bool:
    """Whether a value parses as a JWS in compact form (RFC 7515, section 3.1): its header is JSON with an ``alg``."""
    return jwt_header(value) is not None


def jwt_header(value: str) -> dict[str, object] | None:
    """The header of a JWT, ``None`` for anything else."""
    if value.count(".") != 2 or not value.startswith("ey"):
        return None
    header, payload, _ = value.split(".")
    if not _TOKEN_RUN.match(payload):
        return None
    try:
        return _header(header)
    except (ValueError, binascii.Error, RecursionError):
        return None


@functools.lru_cache(maxsize=64)
def _header(encoded: str) -> dict[str, object]:
    """The header of a JWS, which most tokens of an issuer share; only what is one is remembered, and it is no secret.

    Raises:
        ValueError: it is none.
    """
    parsed = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    if not isinstance(parsed, dict) or "alg" not in parsed:
        raise ValueError("no header of a JWS")
    return parsed


def vendor_prefix(value: str) -> int:
    """Length of a well-known vendor's prefix such as ``sk_live_``; 0 if there is none."""
    match = _VENDOR.match(value)
    return match.end() if match else 0


def is_recognisable(value: str) -> bool:
    """Whether a value under a weak name counts by its shape: JWT-shaped or vendor-prefixed."""
    return is_jwt(value) or (vendor_prefix(value) > 0 and len(value) >= FULL_LENGTH)


def secret_span(value: str, *, signed: bool = False) -> tuple[int, int]:
    """Where in a value its secret part lies: without vendor prefix or name, of a signed value its last part only.

    Args:
        value: the credential.
        signed: whether it is known to be signed (a session cookie), whatever its shape.

    Returns:
        start and end; both equal to the length where a signed value has an empty signature (``alg: none``).
    """
    cut = 0
    if is_jwt(value) or _SIGNED.match(value) or (signed and "." in value):
        cut = value.rindex(".") + 1
    elif _REMEMBER.match(value) or (signed and "|" in value):
        cut = value.rindex("|") + 1
    else:
        named = _NAMED.match(value)
        cut = vendor_prefix(value) or (named.end() if named else 0)
    return cut, len(value)
