"""Configuration adds GET to the methods whose second use is a replay."""

from flask import Flask

TICKET = "rk7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [TICKET]
CONFIG = """\
replay_methods = ["GET", "POST"]

[[credential]]
source = "query:ticket"
kind = "single_use"
"""

app = Flask(__name__)


@app.get("/reset")
def reset():  # expect: single-use-replay
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for _ in range(2):
        assert client.get("/reset", query_string={"ticket": TICKET}).status_code == 200
