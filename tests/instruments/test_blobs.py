"""Files in base64 within a text."""

from __future__ import annotations

import base64

import pytest
from cachelib import FileSystemCache
from contract import KEY, flask_app
from flask import request
from support.web import call

from rasp.instruments.blobs import blanked

IMAGE = base64.b64encode(bytes(range(256)) * 300).decode()


@pytest.mark.parametrize("text", ["", KEY, "x" * 16_383, "ab " * 10_000])
def test_all_else_stays(text):
    assert blanked(text) is text or blanked(text) == text


def test_what_stands_around_one_stays_in_its_place():
    text = f"{KEY} {IMAGE}, {KEY}"
    left = blanked(text)
    assert len(left) == len(text)
    assert left.replace(" ", "") == f"{KEY},{KEY}"
    assert left.rindex(KEY) == text.rindex(KEY)


def test_a_credential_beside_one_is_found_in_a_cache_of_files(observe, tmp_path, monkeypatch):
    app, cache, values = flask_app(), FileSystemCache(str(tmp_path)), observe.runtime.ledger.values
    searched, find = [], values.find

    def finding(text, *limit):
        searched.append(text)
        return find(text, *limit)

    monkeypatch.setattr(values, "find", finding)

    @app.get("/")
    def view():
        cache.set("profile", f"{IMAGE[:60_000]} {request.headers['X-API-Key']}")
        return "ok"

    call(app, "/", headers={"X-API-Key": KEY})
    assert [(found.rule, found.location.function) for found in observe.findings] == [("raw-token-stored", "view")]
    assert not any(IMAGE[:60_000] in text for text in searched)
    assert cache.get("profile").endswith(KEY)
