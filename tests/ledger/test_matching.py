"""Whatever a credential is wrapped in, it is found; what only resembles it is not."""

import base64
import json
import string
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rasp.ledger.fingerprints import fingerprinter
from rasp.ledger.forms import EDGE, INNER, RUN_CHARACTERS
from rasp.ledger.live import LiveValues
from rasp.ledger.strength import Strength, strength
from rasp.ledger.value import Rank
from rasp.model import Kind
from rasp.pipeline import mask_hits

TOKENS = st.text(alphabet=string.ascii_letters + string.digits + "_-", min_size=20, max_size=80)
AROUND = st.text(alphabet=" .,:;\"'(){}[]<>&?=#|\n\té日", max_size=40)
FORMS = {
    "plain": lambda token: token,
    "quoted": lambda token: quote(token, safe=""),
    "json": json.dumps,
    "repr": repr,
    "bytes": lambda token: repr(token.encode()),
    "hex": lambda token: token.encode().hex(),
    "upper hex": lambda token: token.encode().hex().upper(),
    "base64": lambda token: base64.b64encode(token.encode()).decode(),
    "base64 at 1": lambda token: base64.b64encode(b"u" + token.encode() + b"!").decode(),
    "base64 at 2": lambda token: base64.b64encode(b"u:" + token.encode() + b"!").decode(),
    "urlsafe base64": lambda token: base64.urlsafe_b64encode(token.encode()).decode(),
}


def live_values(*tokens):
    values = LiveValues(fingerprinter(b"k" * 16), lambda: 0.0, 1000, 60.0)
    for token in tokens:
        values.enter(token, Kind.API_KEY, "test")
    return values


@pytest.mark.parametrize("form", FORMS)
@given(token=TOKENS, before=AROUND, after=AROUND)
def test_a_token_is_found_in_every_form(form, token, before, after):
    assume(strength(token) is Strength.FULL)
    values = live_values(token)
    hits = values.find(f"{before} {FORMS[form](token)} {after}")
    assert [hit.live.text for hit in hits] == [token]
    assert hits[0].whole


@given(token=TOKENS, before=AROUND, after=AROUND)
def test_a_masked_text_shows_no_token(token, before, after):
    assume(strength(token) is Strength.FULL and token not in before + after)
    values = live_values(token)
    text = f"{before}={token}&{after}"
    hits = values.find(text)
    masked = mask_hits(text, hits, {hit.live for hit in hits})
    assert values.find(masked) == []
    assert token not in masked


@given(token=TOKENS, data=st.data())
def test_a_fragment_counts_from_16_at_an_edge_and_24_within(token, data):
    assume(strength(token) is Strength.FULL)
    start = data.draw(st.integers(0, len(token) - 1))
    end = data.draw(st.integers(start + 1, len(token)))
    part = token[start:end]
    assume(token.find(part) == start)
    edge = start == 0 or end == len(token)
    found = live_values(token).find(f"*{part}*")
    assert bool(found) == (len(part) >= (EDGE if edge else INNER))


@given(token=TOKENS, joined=st.sampled_from(RUN_CHARACTERS))
def test_a_fragment_joined_to_something_else_does_not_count(token, joined):
    assume(strength(token) is Strength.FULL and token[16] != joined)
    assert live_values(token).find(token[:16] + joined) == []


@given(first=TOKENS, rest=st.text(alphabet=string.ascii_letters + string.digits, min_size=24, max_size=40))
def test_two_keys_with_one_prefix_are_told_apart(first, rest):
    other = first[:16] + rest
    assume(strength(first) is Strength.FULL and strength(other) is Strength.FULL and not other.startswith(first))
    assume(not first.startswith(other))
    values = live_values(first, other)
    assert [hit.live.text for hit in values.find(f"key={other};")] == [other]


@given(tokens=st.lists(TOKENS, min_size=1, max_size=12, unique=True))
def test_nothing_is_left_of_values_that_have_gone(tokens):
    values = live_values()
    lives = [values.enter(token, Kind.API_KEY, "test") for token in tokens]
    for live in lives:
        if live is not None:
            values.leave(live, Rank.PRESENTED)
    assert len(values) == 0
    assert values.foreign == 0
    assert values._chunks == {}
    assert values.exact == {}
    assert values._shorts == {}
    assert all(live is None or live.text == "" for live in lives)
    assert values.find(" ".join(tokens)) == []


@given(text=st.text(max_size=300), token=TOKENS)
def test_a_text_without_the_token_has_no_hit(text, token):
    assume(strength(token) is Strength.FULL and token[:16] not in text and token[-16:] not in text)
    assume(not any(token[at : at + 24] in text for at in range(len(token) - 23)))
    assert live_values(token).find(text) == []


def test_of_a_signed_value_only_the_signature_counts():
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.lZhT5kdAffdX9VUJtFd5v5xvnCZSm66qSzPBssrD9I4"
    values = live_values(token)
    assert values.find(token.rpartition(".")[0]) == []
    assert values.find(token.rpartition(".")[2])[0].live.text == token


@given(st.text(max_size=2000))
def test_no_text_breaks_the_search(text):
    values = live_values("Kq3vT9mZr7Lw2Xy5Bn8C", "ab12cd34", "zwei.teile.a1b2c3d4", "Zoë-Schlüssel-mit-ümläuten-2024")
    values.find(text)
    values.find(text + "Kq3vT9mZr7Lw2Xy5Bn8C" + text)
