"""Fine: the handlers' own `format` masks the key before anything is written."""

import io
import json
import logging

from flask import Flask, request

KEY = "lm7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
stream = io.StringIO()


class Wrapping(logging.StreamHandler):
    def format(self, record):
        return super().format(record).replace(KEY, "***")


class Own(logging.StreamHandler):
    def format(self, record):
        return json.dumps({"message": record.getMessage().replace(KEY, "***")})


wrapping, own = logging.getLogger("wrapping"), logging.getLogger("own")
wrapping.addHandler(Wrapping(stream))
own.addHandler(Own(stream))
wrapping.propagate = own.propagate = False


@app.get("/wrapping")
def wrapped():
    wrapping.warning("%s", request.headers["X-API-Key"])
    return {}


@app.get("/own")
def owned():
    own.warning("%s", request.headers["X-API-Key"])
    return {}


if __name__ == "__main__":
    for path in ("wrapping", "own"):
        assert app.test_client().get(f"/{path}", headers={"X-API-Key": KEY}).data
    assert KEY not in stream.getvalue()
    assert stream.getvalue().count("***") == 2
