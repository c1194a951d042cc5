"""A token decoded unchecked, wherever the caller put it, and however the answer is made."""

import jwt
from flask import Flask, Response, redirect, request

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
SECRETS = [SIGNING_KEY]
UNCHECKED = {"verify_signature": False}

app = Flask(__name__)


@app.get("/cookie")
def cookie():
    return jwt.decode(request.cookies["access_token_cookie"], options=UNCHECKED)  # expect: unverified-token


@app.get("/query")
def query():
    return jwt.decode(request.args["access_token"], options=UNCHECKED)  # expect: unverified-token


@app.post("/json")
def json():
    return jwt.decode(request.get_json()["id_token"], options=UNCHECKED)  # expect: unverified-token


@app.get("/redirected")
def redirected():
    jwt.decode(request.headers["Authorization"][7:], options=UNCHECKED)  # expect: unverified-token
    return redirect("/elsewhere")


@app.get("/streamed")
def streamed():
    token = request.headers["Authorization"][7:]

    def parts():
        yield "a"
        yield jwt.decode(token, options=UNCHECKED)["sub"]  # expect: unverified-token

    return Response(parts())


@app.get("/failing")
def failing():
    jwt.decode(request.headers["Authorization"][7:], options=UNCHECKED)
    raise ValueError


@app.get("/verified_first")
def verified_first():
    token = request.headers["Authorization"][7:]
    jwt.decode(token, SIGNING_KEY, algorithms=["HS256"])
    return jwt.decode(token, options=UNCHECKED)


@app.get("/verified_last")
def verified_last():
    token = request.headers["Authorization"][7:]
    claims = jwt.decode(token, options=UNCHECKED)
    jwt.decode(token, SIGNING_KEY, algorithms=["HS256"], options={"verify_exp": False})
    return claims


if __name__ == "__main__":
    client = app.test_client()
    app.logger.disabled = True

    def token(name):
        return jwt.encode({"sub": name}, SIGNING_KEY, "HS256")

    client.set_cookie("access_token_cookie", token("cookie"))
    assert client.get("/cookie").json
    client.delete_cookie("access_token_cookie")
    assert client.get("/query", query_string={"access_token": token("query")}).json
    assert client.post("/json", json={"id_token": token("json")}).json
    for path in ("redirected", "streamed", "failing", "verified_first", "verified_last"):
        client.get(f"/{path}", headers={"Authorization": f"Bearer {token(path)}"}).get_data()
