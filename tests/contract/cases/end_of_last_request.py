"""A request whose body nobody reads to its end is over when its thread ends: the replay shows then."""

from flask import Flask, request

TICKET = "tk9Mn3Bv6Cx1Zl8Kj5Hg"
SECRETS = [TICKET]
CONFIG = """
[[credential]]
source = "query:ticket"
kind = "single_use"
"""

app = Flask(__name__)


@app.post("/redeem")
def redeem():  # expect: single-use-replay
    return {"ok": request.args["ticket"] != ""}


if __name__ == "__main__":
    client = app.test_client()
    for _ in range(2):
        assert client.post("/redeem", query_string={"ticket": TICKET}).status_code == 200
