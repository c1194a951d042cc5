"""What Python prints: warnings, tracebacks, records logging cannot render; not what is ignored or only rendered."""

import io
import logging
import sys
import traceback
import warnings

from flask import Flask, request

KEY = "pe7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]
MODE = "protect"  # what the app prints itself must not hold the key either
CONFIG = 'streams = ["stdout"]'

app = Flask(__name__)
log = logging.getLogger("api")
log.setLevel(logging.INFO)
log.addHandler(logging.StreamHandler(sys.stderr))


@app.get("/warns")
def warns():
    key = request.headers["X-API-Key"]
    warnings.warn(f"old key {key}", UserWarning, stacklevel=2)  # expect: raw-token-logged
    warnings.warn(f"old key {key[:4]}", UserWarning, stacklevel=2)
    with warnings.catch_warnings(record=True):
        warnings.warn(f"kept key {key}", UserWarning, stacklevel=2)
    warnings.warn(f"old key {key}", ResourceWarning, stacklevel=2)
    return {}


@app.get("/traces")
def traces():
    try:
        raise ValueError(request.headers["X-API-Key"])
    except ValueError as error:
        traceback.print_exc()  # expect: raw-token-logged
        traceback.print_exception(error, file=io.StringIO())
        traceback.format_exc()
    return {}


@app.get("/misses")
def misses():
    text = "no place for it"
    log.info(text, request.headers["X-API-Key"])  # expect: raw-token-logged
    log.info(text, request.headers["X-API-Key"][:4])
    return {}


@app.get("/prints")
def prints():
    print("key", request.headers["X-API-Key"])  # expect: raw-token-logged
    print("key", request.headers["X-API-Key"], file=io.StringIO())
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("warns", "traces", "misses", "prints"):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).status_code == 200
