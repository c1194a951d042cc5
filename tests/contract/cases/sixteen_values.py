"""At most 16 values of a request are followed; those beyond are only counted."""

import io
import logging

from flask import Flask, request

SECRETS = []

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.get("/")
def index():
    values = request.args.getlist("api_key")
    app.logger.warning("%s", values[15])  # expect: raw-token-logged
    app.logger.warning("%s", values[16])
    return {}


if __name__ == "__main__":
    values = [f"sv{number:02}Jk2Lm9Qw4Er6Ty8Ui3" for number in range(18)]
    assert app.test_client().get("/", query_string={"api_key": values}).data
