"""A handler with its own `format` writes the key out of `extra`: the rendered text holds it, the message does not."""

import io
import json
import logging

from flask import Flask, request

KEY = "lx7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


class Lines(logging.StreamHandler):
    def format(self, record):
        return json.dumps({"message": record.getMessage(), "key": getattr(record, "key", None)})


log = logging.getLogger("lines")
log.addHandler(Lines(io.StringIO()))
log.propagate = False


@app.get("/")
def index():
    log.warning("called", extra={"key": request.headers["X-API-Key"]})  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    assert app.test_client().get("/", headers={"X-API-Key": KEY}).data
