"""python-jose, joserfc and Authlib: taken apart unchecked, without an algorithm, peeked and then verified."""

import warnings

import jose.jws
import jose.jwt
import joserfc.jws
import joserfc.jwt
from flask import Flask, request
from joserfc.jwk import OctKey

with warnings.catch_warnings(record=True):
    from authlib.jose import JsonWebToken

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
SECRETS = [SIGNING_KEY]
KEY = OctKey.import_key(SIGNING_KEY)
UNSIGNED = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0."

app = Flask(__name__)


def presented():
    return request.headers["Authorization"].removeprefix("Bearer ")


@app.get("/jose-claims")
def jose_claims():
    return jose.jwt.get_unverified_claims(presented())  # expect: unverified-token


@app.get("/jose-option")
def jose_option():
    return jose.jwt.decode(presented(), "", options={"verify_signature": False})  # expect: unverified-token


@app.get("/jose-jws")
def jose_jws():
    return jose.jws.verify(presented(), "", "HS256", verify=False)  # expect: unverified-token


@app.get("/joserfc-apart")
def joserfc_apart():
    return joserfc.jws.extract_compact(presented().encode()).payload  # expect: unverified-token


@app.get("/joserfc-none")
def joserfc_none():
    return joserfc.jwt.decode(presented(), KEY, algorithms=["none"]).claims  # expect: unverified-token


@app.get("/authlib-none")
def authlib_none():
    return dict(JsonWebToken(["none"]).decode(presented(), SIGNING_KEY))  # expect: unverified-token


@app.get("/jose-fine")
def jose_fine():
    jose.jwt.get_unverified_claims(presented())
    return jose.jwt.decode(presented(), SIGNING_KEY, algorithms=["HS256"])


@app.get("/joserfc-fine")
def joserfc_fine():
    apart = joserfc.jws.extract_compact(presented().encode())
    return {"valid": joserfc.jws.validate_compact(apart, KEY)}


@app.get("/authlib-fine")
def authlib_fine():
    jose.jwt.get_unverified_claims(presented())
    return dict(JsonWebToken(["HS256"]).decode(presented(), SIGNING_KEY))


@app.get("/refused")
def refused():
    jose.jwt.get_unverified_claims(presented())
    return {}, 403


if __name__ == "__main__":
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            token = jose.jwt.encode({"sub": rule.endpoint, "iat": 1, "exp": 4102444800}, SIGNING_KEY)
            token = UNSIGNED if rule.endpoint.endswith("none") else token
            answer = client.get(rule.rule, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == (403 if rule.endpoint == "refused" else 200), rule
