"""The limit of a JWT's lifetime is a setting."""

import jwt
from flask import Flask

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
SECRETS = [SIGNING_KEY]
CONFIG = "token_lifetime = 900"

app = Flask(__name__)


@app.get("/quarter")
def quarter():
    return {"access_token": jwt.encode({"sub": "ann", "iat": 1_000_000, "exp": 1_000_900}, SIGNING_KEY)}


@app.get("/longer")
def longer():
    claims = {"sub": "ann", "iat": 1_000_000, "exp": 1_000_901}
    return {"access_token": jwt.encode(claims, SIGNING_KEY)}  # note: long-lived-token


if __name__ == "__main__":
    for path in ("quarter", "longer"):
        assert app.test_client().get(f"/{path}").json["access_token"]
