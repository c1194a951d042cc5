"""google-auth."""

from __future__ import annotations

from typing import ClassVar

import jwt as pyjwt
from contract import flask_app
from google.auth import exceptions, jwt
from jwt_contract import KEYS, presented
from support.web import call
from verifier_contract import LOUD, VerifierContract

PRIVATE, PUBLIC = KEYS["RS256"]
_, OTHER = KEYS["ES256"]
TOKEN = pyjwt.encode({"sub": "ann", "iat": 1_700_000_000, "exp": 4_102_444_800}, PRIVATE, "RS256", {"kid": "1"})
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class TestGoogleAuth(VerifierContract):
    name = "google-auth"
    hooks = ("google.decode",)
    holder = "google-auth"
    credential = TOKEN
    headers: ClassVar[dict[str, str]] = BEARER

    def check(self, app, right):
        try:
            return jwt.decode(presented(), PUBLIC if right else {"2": PUBLIC})["sub"] == "ann"
        except (ValueError, exceptions.GoogleAuthError):
            return False

    def raising(self, app):
        return jwt.decode("no token", PUBLIC)

    def test_what_is_accepted_and_refused_is_told_so(self, install_rasp, tmp_path):
        installed = install_rasp(record=True, rules=LOUD, token_lifetime=3_000_000_000)
        with self.built(tmp_path) as subject:
            assert self.call(subject, "/clean").body == b'{"checked":true}\n'
            assert self.call(subject, "/refused").body == b'{"checked":false}\n'
        assert installed.findings == []
        assert installed.seen("google-auth") == [("verify", "google-auth")] * 2


def test_a_token_decoded_without_verification_is_unverified(install_rasp):
    installed = install_rasp()
    app = flask_app()
    app.add_url_rule("/", "view", lambda: jwt.decode(presented(), verify=False)["sub"])
    assert call(app, "/", BEARER).body == b"ann"
    assert installed.judged() == [("unverified-token", "error", "<lambda>")]
