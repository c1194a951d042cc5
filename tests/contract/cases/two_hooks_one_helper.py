"""Two hooks that release through one helper are two call paths."""

from flask import Flask, g, request

KEY = "th7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


def drop():
    g.pop("key", None)  # expect: double-release


@app.before_request
def load():
    g.key = request.headers["X-API-Key"]


@app.after_request
def after(response):
    if request.path == "/two":
        drop()
    return response


@app.teardown_request
def teardown(error):
    drop()


@app.get("/two")
def two():
    return {}


if __name__ == "__main__":
    assert app.test_client().get("/two", headers={"X-API-Key": KEY}).data
