"""A request whose body nobody reads ends with its thread; what it left unverified is reported then."""

import threading

import jwt
from flask import Flask, request

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
TOKEN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    ".eyJzdWIiOiJ1c2VyLWF3OCIsImp0aSI6IjZlYjBlY2MxYmU5ZjUxZjdmN2MwZmE2MzE2MzlhYWU5IiwiZXhwIjo0MTAyNDQ0ODAwfQ"
    ".CT4SEKsklOEecdBtju7z8NKztXJSrj49L3Bd1tzm7qc"
)
SECRETS = [TOKEN]

app = Flask(__name__)


@app.get("/")
def index():
    token = request.headers["Authorization"].removeprefix("Bearer ")
    return {"sub": jwt.decode(token, options={"verify_signature": False})["sub"]}  # expect: unverified-token


def call():
    reply = app.test_client().get("/", headers={"Authorization": f"Bearer {TOKEN}"})
    assert reply.status_code == 200


if __name__ == "__main__":
    caller = threading.Thread(target=call)
    caller.start()
    caller.join()
