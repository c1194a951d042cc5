"""A form field is a form field, however the form is encoded."""

import io
import logging

from flask import Flask, request

FORM = "fm8PoIuYt3ReWqAsDf7GhJk"
SECRETS = [FORM]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.post("/form")
def form():
    app.logger.warning("form %s", request.form["api_key"])  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    data = {"api_key": FORM, "file": (io.BytesIO(b"a,b"), "a.csv")}
    assert app.test_client().post("/form", data=data, content_type="multipart/form-data").status_code == 200
