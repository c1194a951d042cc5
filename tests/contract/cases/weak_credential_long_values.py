"""Fine: values of 16 characters and more are not shorter than 16, though their shape is no token's."""

from flask import Flask

SECRETS = []
QUIET = ["weak-credential"]

app = Flask(__name__)


@app.get("/")
def index():
    return {}


if __name__ == "__main__":
    for value in ("/var/lib/application/key", "internationalization", "aaaaaaaaaaaaaaaaaaaaaaaa"):
        assert app.test_client().get("/", headers={"X-API-Key": value}).status_code == 200
