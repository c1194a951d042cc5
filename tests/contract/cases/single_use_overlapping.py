"""One ticket in two overlapping requests is concurrent reuse; one after the other with GET it is not."""

import threading

from flask import Flask, request

TICKET = "so7Jk2Lm9Qw4Er6Ty8Ui3"
AFTER = "sq4Rt6Yu8Io2Pa7Sd9Fg1"
SECRETS = [TICKET, AFTER]
CONFIG = """
[[credential]]
source = "query:ticket"
kind = "single_use"
"""

app = Flask(__name__)
both = threading.Barrier(2)


@app.get("/enter")
def enter():  # expect: concurrent-reuse
    both.wait(20)
    return {"ok": bool(request.args["ticket"])}


@app.get("/later")
def later():
    return {"ok": bool(request.args["ticket"])}


def call(path, ticket):
    assert app.test_client().get(path, query_string={"ticket": ticket}).data


if __name__ == "__main__":
    callers = [threading.Thread(target=call, args=("/enter", TICKET)) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)
    for _ in range(2):
        app.test_client().get("/later", query_string={"ticket": AFTER})
