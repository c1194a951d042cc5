"""python-jose."""

from __future__ import annotations

from jose import jwe, jwk, jws, jwt
from jwt_contract import SIGNING_KEY, TOKEN, JwtContract, presented
from support.made_up import text


class TestJose(JwtContract):
    name = "python-jose"
    hooks = ("jose.decode", "jose.encode", "jose.verify", "jose.peek", "jose.decrypt")
    paths = (*JwtContract.paths, "/layers")
    holder = "python-jose"
    peeks = (
        lambda token: jwt.get_unverified_claims(token=token),
        lambda token: jws.get_unverified_claims(token=token),
        lambda token: jwt.decode(token, SIGNING_KEY, options={"verify_signature": False}),
        lambda token: jws.verify(token, SIGNING_KEY, "HS256", verify=False),
        lambda token: jws.verify(token, SIGNING_KEY, "HS256", False),
    )

    def prepare(self, app):
        super().prepare(app)

        @app.get("/layers")
        def layers():
            jws.verify(presented(), SIGNING_KEY, "HS256")
            jwt.get_unverified_claims(presented())
            return {
                "plain": jwe.decrypt(jwe.encrypt(b"plain", "sixteen bytes ok", "A128GCM"), "sixteen bytes ok").decode()
            }

    def raising(self, app):
        return jwt.get_unverified_claims("no token")

    def decode(self, token, key, algorithm="HS256"):
        return jwt.decode(token, key, algorithms=[algorithm])

    def encode(self, claims, key, algorithm="HS256"):
        return jwt.encode(claims, key, algorithm)

    def jwk(self, key):
        return jwk.construct(key, "HS256")


def test_a_header_alone_is_looked_at_freely(install_rasp):
    installed = install_rasp()
    assert TestJose().judged(installed, lambda: jwt.get_unverified_header(presented())["alg"]) == []


def test_a_presented_encrypted_token_is_verified_by_what_decrypts_it(install_rasp):
    installed = install_rasp(record=True, rules={})
    token = jwe.encrypt(b"{}", "sixteen bytes ok", "A128GCM").decode()
    assert TestJose().judged(installed, lambda: jwe.decrypt(presented(), "sixteen bytes ok"), token=token) == []
    assert installed.seen("python-jose") == [("verify", "python-jose")]
    assert installed.findings == []


def test_key_sets_by_id_and_in_lists_are_learnt(install_rasp):
    installed = install_rasp()
    first, second, third = (text(name, 43) for name in ("first", "second", "third"))

    def view():
        for keys in ({"keys": [{"kty": "oct", "k": first}]}, [second, SIGNING_KEY], {"kid": third}):
            try:
                jwt.decode(presented(), keys, algorithms=["HS256"])
            except jwt.JWTError:
                continue
        return "ok"

    TestJose().judged(installed, view, token=TOKEN)
    values = installed.runtime.ledger.values
    assert [values.get(secret).kind.value for secret in (first, second, third)] == ["service"] * 3
