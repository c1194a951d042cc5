"""Places that hold credentials by their built-in names, and beside them names and values that hold none."""

import base64
import io
import logging

from flask import Flask, request

PASSWORD = "pw7Kq2mZx9LrT4vB8nYc"
SIGNATURE = "6629fae49393a05397450978507c4ef1"
CUSTOM = "cst9QwErTy7UiOp3AsDf5Gh"
COOKIE = "ck3ZxCvBn8MqWeRt6YuIoP1"
QUERY = "qy5LkJhGf2DsApOiUy9TrE4"
ROUTE = "rt4WsXeDc7RfVtGb1YhNuJm"
SECRETS = [PASSWORD, SIGNATURE, CUSTOM, COOKIE, QUERY, ROUTE]
PAIR = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
PUBLIC = "pk_live_7Hs9KdLq2Wm4Xz8Rt"
CSRF = "csrf5Tg7Yh9Uj1Ik3Ol8Qw2Er"

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("api")


@app.get("/password")
def password():
    log.info("password %s", request.authorization.password)  # expect: raw-token-logged
    return {}


@app.get("/pair")
def pair():
    log.info("header %s", request.headers["Authorization"])  # expect: raw-token-logged
    return {}


@app.get("/user")
def user():
    log.info("user %s", request.authorization.username)
    return {}


@app.get("/digest")
def digest():
    log.info("nonce %s", request.authorization.nonce)
    log.info("answer %s", request.authorization.response)  # expect: raw-token-logged
    return {}


@app.get("/custom")
def custom():
    log.info("all %s", request.headers["Authorization"])  # expect: raw-token-logged
    log.info("url %s", request.args["Access-Token"])  # expect: raw-token-logged
    return {}


@app.get("/cookie")
def cookie():
    log.info("cookie %s", request.cookies["auth-token"])  # expect: raw-token-logged
    log.info("theme %s", request.cookies["theme_token_x"])
    return {}


@app.get("/feed/<apikey>")
def feed(apikey):
    log.info("route %s", apikey)  # expect: raw-token-logged
    return {}


@app.get("/public")
def public():
    log.info("public %s", request.headers["X-API-Key"])
    return {}


@app.get("/csrf")
def csrf():
    log.info("double submit %s", request.cookies["token"])
    return {}


if __name__ == "__main__":
    client = app.test_client(use_cookies=False)

    def get(path, **headers):
        assert client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()}).status_code == 200

    get("/password", Authorization=f"Basic {PAIR}")
    get("/pair", Authorization=f"basic {PAIR}")
    get("/user", Authorization=f"Basic {PAIR}")
    answer = 'Digest username="alice", realm="r", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/", '
    get("/digest", Authorization=answer + f'response="{SIGNATURE}"')
    get(f"/custom?Access-Token={QUERY}", Authorization=f"Weird {CUSTOM}")
    get("/cookie", Cookie=f"auth-token={COOKIE}; theme_token_x=dark8Kd9Qm2Zx7Lp4Rt6")
    get(f"/feed/{ROUTE}")
    get("/public", X_API_Key=PUBLIC)
    get("/csrf", Cookie=f"csrf_token={CSRF}; token={CSRF}")
