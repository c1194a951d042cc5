"""An opaque token is known once a JSON response names it; a weak name needs more."""

import io
import logging

from flask import Flask

TOKEN = "Vx7Jk2Lm9Qw4Er6Ty8Ui3Op1"
WEAK = "Bn5Hg7Fd3Sa1Po9Iu2Yt6Re4"
SECRETS = [TOKEN]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("api")


@app.get("/login")
def login():
    return {"user": {"refresh_token": TOKEN, "token": WEAK}}


@app.get("/later")
def later():
    log.info("page %s", WEAK)
    log.info("token %s", TOKEN)  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    client = app.test_client()
    assert client.get("/login").json["user"]["token"] == WEAK
    assert client.get("/later").json == {}
