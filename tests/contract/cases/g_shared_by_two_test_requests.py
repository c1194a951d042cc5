"""Fine: under a test's own app context two requests share one g; the second clears what it never held."""

from flask import Flask, g, request

KEY = "gs7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


@app.teardown_request
def teardown(error):
    g.pop("key", None)


@app.get("/login")
def login():
    g.key = request.headers["X-API-Key"]
    g.pop("key")
    return {}


@app.get("/health")
def health():
    g.pop("key", None)
    return {}


@app.get("/keep")
def keep():
    g.other = request.headers["X-API-Key"]
    return {}


if __name__ == "__main__":
    with app.app_context():
        client = app.test_client()
        assert client.get("/keep", headers={"X-API-Key": KEY}).data
        assert client.get("/health").data
        assert client.get("/keep", headers={"X-API-Key": "ot" + KEY[::-1]}).data
