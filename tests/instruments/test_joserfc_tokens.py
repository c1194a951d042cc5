"""joserfc."""

from __future__ import annotations

import warnings

from joserfc import jwe, jws, jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from jwt_contract import SIGNING_KEY, TOKEN, JwtContract, presented
from support.made_up import text

ENCRYPTION = {"alg": "dir", "enc": "A128GCM"}


def key_of(key, algorithm):
    if not isinstance(key, (str, dict)):
        return key
    kinds = {"RS256": RSAKey, "ES256": ECKey}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kinds.get(algorithm, OctKey).import_key(key)


class TestJoserfc(JwtContract):
    name = "joserfc"
    hooks = ("joserfc.decode", "joserfc.encode", "joserfc.extract", "joserfc.validate")
    paths = (*JwtContract.paths, "/layers")
    holder = "joserfc"
    peeks = (lambda token: jws.extract_compact(token if isinstance(token, bytes) else token.encode()).payload,)

    def prepare(self, app):
        super().prepare(app)

        @app.get("/layers")
        def layers():
            taken = jws.extract_compact(presented().encode())
            assert jws.validate_compact(taken, OctKey.import_key(SIGNING_KEY))
            key = OctKey.import_key("sixteen bytes ok")
            return {
                "plain": jwe.decrypt_compact(jwe.encrypt_compact(ENCRYPTION, b"plain", key), key).plaintext.decode()
            }

    def decode(self, token, key, algorithm="HS256"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return jwt.decode(token, key_of(key, algorithm), algorithms=[algorithm]).claims

    def encode(self, claims, key, algorithm="HS256"):
        return jwt.encode({"alg": algorithm}, claims, key_of(key, algorithm))

    def jwk(self, key):
        return OctKey.import_key(key)


def test_taken_apart_and_validated_later_is_verified(install_rasp):
    installed = install_rasp(record=True)

    def view():
        taken = jws.extract_compact(presented().encode())
        return str(jws.validate_compact(taken, OctKey.import_key(SIGNING_KEY)))

    assert TestJoserfc().judged(installed, view) == []
    assert installed.seen("joserfc", "hmac") == [("use", "joserfc"), ("verify", "joserfc")]


def test_an_answer_of_no_is_only_an_attempt(install_rasp):
    installed = install_rasp(record=True)

    def view():
        taken = jws.extract_compact(presented().encode())
        return str(jws.validate_compact(taken, OctKey.import_key("another key that is quite long enough")))

    assert TestJoserfc().judged(installed, view) == []
    assert installed.runtime.ledger.values.get(TOKEN).rank.name == "ANSWERED"


def test_a_presented_encrypted_token_is_verified_by_what_decrypts_it(install_rasp):
    installed = install_rasp(record=True, rules={})
    key = OctKey.import_key("sixteen bytes ok")
    token = jwt.encode(ENCRYPTION, {"sub": "ann"}, key, registry=jwe.JWERegistry())

    def view():
        return jwt.decode(presented(), key, registry=jwe.JWERegistry()).claims

    assert TestJoserfc().judged(installed, view, token=token) == []
    assert installed.seen("joserfc") == [("verify", "joserfc")]
    assert installed.findings == []


def test_a_key_set_is_secret_as_far_as_its_keys_are(install_rasp):
    installed = install_rasp()
    secret = text("key set", 44)
    private = ECKey.generate_key("P-256")
    keys = KeySet([OctKey.import_key({"kty": "oct", "k": secret, "kid": "1"}), private])

    def view():
        jwt.encode({"alg": "HS256", "kid": "1"}, {"sub": "ann"}, keys)
        return keys.as_dict(private=False)["keys"][1]

    TestJoserfc().judged(installed, view)
    values = installed.runtime.ledger.values
    assert values.get(secret).kind.value == "service"
    assert values.get(private.as_dict(private=True)["d"]).kind.value == "service"
    assert [values.get(private.as_dict(private=True)[name]) for name in ("x", "y")] == [None, None]
