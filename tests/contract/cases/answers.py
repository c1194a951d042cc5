"""Credentials in responses: error pages, headers, streams; and what a response may hold."""

from flask import Flask, Response, make_response, redirect, request

KEY = "aw7Jk2Lm9Qw4Er6Ty8Ui3"
FRESH = "af4Rt6Yu8Io2Pa7Sd9Fg1"
SECRETS = [KEY, FRESH]
ENV = {"UPSTREAM_API_KEY": "as5Gh7Jk3Lz9Xc1Vb6Nm4"}

app = Flask(__name__)


@app.get("/page")
def page():  # expect: raw-token-in-response
    return f"<p>no such key: {request.headers['X-API-Key']}</p>", 401


@app.get("/escaped")
def escaped():  # expect: raw-token-in-response
    return {"error": "no such key: " + request.headers["Authorization"]}, 403


@app.get("/header")
def header():  # expect: raw-token-in-response
    return "", 400, {"X-Rejected": request.headers["X-API-Key"]}


@app.get("/stream")
def stream():  # expect: raw-token-in-response
    key = request.headers["X-API-Key"]
    return Response((part for part in ["<p>", key[:9], key[9:], "</p>"]), 400)


@app.get("/service")
def service():  # expect: raw-token-in-response
    import os

    return {"debug": os.environ["UPSTREAM_API_KEY"]}


@app.get("/own")
def own():  # note: raw-token-in-response
    return {"yours": request.headers["X-API-Key"]}


@app.get("/fresh")
def fresh():
    return {"access_token": FRESH, "link": "/next?x=" + FRESH}


@app.get("/page-of-redirect")
def page_of_redirect():  # expect: raw-token-in-url
    return redirect("/next?x=" + request.headers["X-API-Key"])


@app.get("/cookie")
def cookie():
    response = make_response("ok")
    response.set_cookie("access_token_cookie", request.cookies["access_token_cookie"])
    return response


@app.get("/empty")
def empty():
    return request.headers["X-API-Key"], 304


@app.get("/picture")
def picture():
    return Response(request.headers["X-API-Key"], 400, mimetype="image/png")


if __name__ == "__main__":
    given = {"X-API-Key": KEY, "Authorization": "Bearer " + KEY}
    for path in ("page", "escaped", "header", "stream", "own", "fresh", "page-of-redirect", "empty", "picture"):
        app.test_client().get(f"/{path}", headers=given).get_data()
    app.test_client().get("/service").get_data()
    app.test_client().head("/page", headers=given).close()
    client = app.test_client()
    client.set_cookie("access_token_cookie", KEY)
    client.get("/cookie").get_data()
