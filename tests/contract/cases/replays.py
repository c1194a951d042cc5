"""A single-use value accepted twice: by unsafe methods, both answered below 400; all else is no replay."""

from flask import Flask, redirect, request

VALUES = {
    "twice": "ra7Jk2Lm9Qw4Er6Ty8Ui3", "put": "rb7Jk2Lm9Qw4Er6Ty8Ui3", "redirected": "rc7Jk2Lm9Qw4Er6Ty8Ui3",
    "get": "rd7Jk2Lm9Qw4Er6Ty8Ui3", "refused": "re7Jk2Lm9Qw4Er6Ty8Ui3", "once": "rf7Jk2Lm9Qw4Er6Ty8Ui3",
    "thrice": "rg7Jk2Lm9Qw4Er6Ty8Ui3", "shown_first": "rh7Jk2Lm9Qw4Er6Ty8Ui3",
}  # fmt: skip
SECRETS = [
    "ra7Jk2Lm9Qw4Er6Ty8Ui3", "rb7Jk2Lm9Qw4Er6Ty8Ui3", "rc7Jk2Lm9Qw4Er6Ty8Ui3", "rd7Jk2Lm9Qw4Er6Ty8Ui3",
    "re7Jk2Lm9Qw4Er6Ty8Ui3", "rf7Jk2Lm9Qw4Er6Ty8Ui3", "rg7Jk2Lm9Qw4Er6Ty8Ui3", "rh7Jk2Lm9Qw4Er6Ty8Ui3",
]  # fmt: skip
CONFIG = """\
[[credential]]
source = "form:ticket"
kind = "single_use"

[[credential]]
source = "header:X-Ticket"
kind = "single_use"
"""

app = Flask(__name__)


@app.route("/twice", methods=["POST"])
def twice():  # expect: single-use-replay
    assert request.form["ticket"]
    return {}


@app.route("/put", methods=["PUT", "PATCH", "DELETE"])
def put():  # expect: single-use-replay
    return {}


@app.route("/redirected", methods=["POST"])
def redirected():  # expect: single-use-replay
    assert request.form["ticket"]
    return redirect("/done")


@app.get("/get")
def get():
    return {}


@app.post("/refused")
def refused():
    return {}, request.args.get("status", 200, int)


@app.route("/shown_first", methods=["GET", "POST"])
def shown_first():
    return {}


@app.post("/once")
def once():
    return {}


if __name__ == "__main__":
    client = app.test_client()

    def send(method, name, query=""):
        client.open(f"/{name}{query}", method=method, headers={"X-Ticket": VALUES[name]}).get_data()

    for name in ("twice", "redirected"):
        for _ in range(2):
            assert client.post(f"/{name}", data={"ticket": VALUES[name]}).status_code < 400
    send("PUT", "put")
    send("DELETE", "put")
    for _ in range(3):
        send("GET", "get")
    send("POST", "refused", "?status=409")
    send("POST", "refused")
    send("POST", "refused", "?status=410")
    send("GET", "shown_first")
    send("HEAD", "shown_first")
    send("POST", "shown_first")
    send("POST", "once")
    client.get("/done")
