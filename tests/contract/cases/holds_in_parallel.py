"""Fine: two overlapping requests with the same key each hold and release it once, under the same name."""

import threading

from flask import Flask, request

import rasp

KEY = "hp7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
both = threading.Barrier(2)


@app.get("/")
def index():
    with rasp.hold(request.headers["X-API-Key"], "limiter"):
        both.wait(20)
    both.wait(20)
    return {}


def call():
    assert app.test_client().get("/", headers={"X-API-Key": KEY}).data


if __name__ == "__main__":
    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)
