"""What belongs to a request: its sub-requests, its threads; and what is over once it is answered."""

import io
import logging
import threading

from flask import Flask, request

KEY = "rs7Jk2Lm9Qw4Er6Ty8Ui3"
INNER = "ri4Rt6Yu8Io2Pa7Sd9Fg1"
REFUSED = "rr9Mn3Bv6Cx1Zl8Kj5Hg2"
SECRETS = [KEY, INNER, REFUSED]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("api")
late = []


@app.get("/outer")
def outer():
    assert app.test_client().get("/inner", headers={"X-API-Key": INNER}).data
    log.info("outer %s", request.headers["X-API-Key"])  # expect: raw-token-logged
    return {}


@app.get("/inner")
def inner():
    log.info("inner %s", request.headers["X-API-Key"])  # expect: raw-token-logged
    return {}


@app.get("/thread")
def thread():
    def work(key):
        log.info("thread %s", key)  # expect: raw-token-logged

    worker = threading.Thread(target=work, args=(request.headers["X-API-Key"],))
    worker.start()
    worker.join(20)
    return {}, 401


@app.get("/kept")
def kept():
    late.append(request.headers["X-API-Key"])
    return {}


@app.get("/refused")
def refused():
    late.append(request.headers["X-API-Key"])
    return {}, 401


def afterwards():
    log.info("answered %s", late[0])  # expect: raw-token-logged
    log.info("refused %s", late[1])


if __name__ == "__main__":
    client = app.test_client()
    for path, key in (("outer", KEY), ("thread", KEY[::-1]), ("kept", KEY[2:] + "xY"), ("refused", REFUSED)):
        assert client.get(f"/{path}", headers={"X-API-Key": key}).data
    worker = threading.Thread(target=afterwards)
    worker.start()
    worker.join(20)
