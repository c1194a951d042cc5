"""Declared places: a header, a route variable and a single-use query value of the app's own naming."""

import io
import logging

from flask import Flask, request

HEADER = "hd7Jk2Lm9Qw4Er6Ty8Ui3"
ROUTE = "dl5Tr8Ew2Qa7Zs4Xd9Cf"
TICKET = "tk9Mn3Bv6Cx1Zl8Kj5Hg"
SECRETS = [HEADER, ROUTE, TICKET]
CONFIG = """
[[credential]]
source = "header:X-Partner"
kind = "api_key"
[[credential]]
source = "route:code"
kind = "custom"
[[credential]]
source = "query:ticket"
kind = "single_use"
"""

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("api")


@app.get("/header")
def header():
    log.info("partner %s", request.headers["X-Partner"])  # expect: raw-token-logged
    return {}


@app.get("/download/<code>")
def download(code):
    log.info("code %s", code)  # expect: raw-token-logged
    return {}


@app.post("/redeem")
def redeem():  # expect: single-use-replay
    return {"ok": request.args["ticket"] != ""}


@app.get("/redeem")
def look():
    return {"ok": request.args["ticket"] != ""}


if __name__ == "__main__":
    client = app.test_client()
    assert client.get("/header", headers={"X-Partner": HEADER}).status_code == 200
    assert client.get(f"/download/{ROUTE}").status_code == 200
    for _ in range(2):
        assert client.get("/redeem", query_string={"ticket": TICKET}).data
    for _ in range(2):
        assert client.post("/redeem", query_string={"ticket": TICKET}).data
