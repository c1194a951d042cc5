"""A redirect carries the key in its query; in the fragment it is not sent on."""

from flask import Flask, redirect, request

KEY = "ur7Jk2Lm9+Qw4/Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


@app.get("/query")
def query():  # expect: raw-token-in-url
    from urllib.parse import quote

    return redirect("/next?x=" + quote(request.headers["X-API-Key"], safe=""))


@app.get("/fragment")
def fragment():
    return redirect("/next#" + request.headers["X-API-Key"])


if __name__ == "__main__":
    for path in ("query", "fragment"):
        assert app.test_client().get(f"/{path}", headers={"X-API-Key": KEY}).status_code == 302
