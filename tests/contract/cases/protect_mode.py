"""protect masks this request's own and verified credentials, never what another caller merely presented."""

import io
import logging
import threading

from flask import Flask, request

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
KEY = "pm7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = []
MODE = "protect"

app = Flask(__name__)
stream = io.StringIO()
logging.basicConfig(level=logging.INFO, stream=stream)
entered, leave = threading.Event(), threading.Event()


@app.get("/own")
def own():
    app.logger.warning("own %s", request.headers["X-API-Key"])  # expect: raw-token-logged
    return {}


@app.get("/waits")
def waits():
    entered.set()
    assert leave.wait(20)
    return {}


@app.get("/other")
def other():
    app.logger.warning("other %s", "/docs/getting-started-guide-2")  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    assert app.test_client().get("/own", headers={"X-API-Key": KEY}).data
    assert KEY not in stream.getvalue()
    assert "own [credential:api_key:" in stream.getvalue()
    waiting = threading.Thread(
        target=lambda: app.test_client().get("/waits", headers={"X-API-Key": "getting-started-guide-2"}).data
    )
    waiting.start()
    assert entered.wait(20)
    app.test_client().get("/other")
    leave.set()
    waiting.join(20)
    assert "other /docs/getting-started-guide-2" in stream.getvalue()
