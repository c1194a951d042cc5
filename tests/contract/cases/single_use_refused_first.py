"""Fine: the ticket was refused the first time, so the second request is the only one it served."""

from flask import Flask, request

TICKET = "tk9Mn3Bv6Cx1Zl8Kj5Hg"
SECRETS = [TICKET]
CONFIG = """
[[credential]]
source = "query:ticket"
kind = "single_use"
"""

app = Flask(__name__)
answers = [422, 200, 409]


@app.post("/redeem")
def redeem():
    assert request.args["ticket"]
    return {}, answers.pop(0)


if __name__ == "__main__":
    client = app.test_client()
    assert [client.post("/redeem", query_string={"ticket": TICKET}).status_code for _ in range(3)] == [422, 200, 409]
