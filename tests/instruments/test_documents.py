"""Nested data on its way out: found wherever it stands, masked in place, bounded."""

from __future__ import annotations

import pytest
from support.made_up import api_key

import rasp
from rasp.instruments import documents

KEY, OTHER = api_key("documents"), api_key("documents other")


@pytest.fixture
def values(install_rasp):
    installed = install_rasp()
    for key in (KEY, OTHER):
        rasp.track(key, kind="service")
    return installed.runtime.ledger.values


SHAPES = [
    {"a": KEY},
    {"a": f"x={KEY}&y=1"},
    {"a": [1, [None, {"b": KEY}]]},
    {"a": (1, (KEY, 2), [KEY])},
    {"a": {KEY: 1, "b": 2}},
    {"a": {KEY: {KEY: [KEY]}}},
    {"a": KEY.encode()},
    {"a": ["x" * 150_000, "y" * 150_000, KEY]},
    {"a": [OTHER, KEY, f"{KEY} {OTHER}"]},
]


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
def test_it_is_found_and_masked_wherever_it_stands(values, shape):
    document = documents.copied(shape)
    found = documents.texts(document, values)
    assert {entry.part for entry in found} == {"a"}
    assert documents.masked(found, {hit.live for entry in found for hit in entry.hits})
    assert KEY[3:] not in str(document)
    assert OTHER[3:] not in str(document)
    assert "[credential:service:" in str(document)
    assert KEY in str(shape), "a copy was masked"
    assert documents.texts(document, values) == []


def test_only_the_values_that_are_named_are_masked_and_order_stays(values):
    document = {"a": {"first": 1, f"n {KEY}": OTHER, "last": 2}}
    found = documents.texts(document, values)
    assert documents.masked(found, {values.get(KEY)})
    assert list(document["a"].values()) == [1, OTHER, 2]
    assert [*document["a"]][1].startswith("n [credential:service:")


def test_parts_that_are_left_out_and_short_texts_are_not_looked_at(values):
    document = {"modules": {"x": KEY}, "a": ["", "short", 5, None, object(), {5: 6}]}
    assert documents.texts(document, values, frozenset({"modules"})) == []


def test_what_lies_beyond_the_bounds_is_not_looked_at(values):
    deep = KEY
    for _ in range(documents.DEPTH + 2):
        deep = [deep]
    assert documents.texts({"a": deep}, values) == []
    assert documents.texts({"a": [0] * documents.NODES + [KEY]}, values) == []


def test_a_document_that_contains_itself_ends(values):
    document = {"a": [KEY]}
    document["a"].append(document["a"])
    found = documents.texts(document, values)
    assert found
    assert documents.masked(found, {values.get(KEY)})
    assert document["a"][0].startswith("[credential:")


def test_what_is_found_shows_no_value(values):
    assert KEY[3:] not in repr(documents.texts({"a": KEY}, values))
