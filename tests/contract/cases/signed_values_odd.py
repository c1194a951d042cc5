"""Fine: of a value signed with itsdangerous, compressed or with other characters, only the signature is secret."""

import io
import logging

from flask import Flask, request
from itsdangerous import Signer, TimestampSigner, URLSafeTimedSerializer

SECRETS = []

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("api")


@app.get("/signed")
def signed():
    token = request.args["access_token"]
    log.info("signed %s", token.rpartition(".")[0])
    return {}


if __name__ == "__main__":
    client = app.test_client()
    data = [{"user": "alice", "purpose": "download", "file": f"report-{n}.csv"} for n in range(40)]
    for token in (
        TimestampSigner("another-secret-of-the-app-1").sign("alice.with.a.long.name@example.com").decode(),
        Signer("another-secret-of-the-app-1").sign("alice/with/a/long/name/example").decode(),
        URLSafeTimedSerializer("another-secret-of-the-app-1").dumps(data),
    ):
        assert client.get("/signed", query_string={"access_token": token}).status_code == 200
