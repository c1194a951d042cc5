"""A stream finished on another thread leaves its g here, with the key that the last caller sent in the query."""

import threading

from flask import Flask, g, request, stream_with_context
from werkzeug.test import EnvironBuilder

KEY = "gq7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


@app.get("/left")
def leave():
    g.key = request.args["api_key"]  # expect: cross-request-leak
    return app.response_class(stream_with_context(iter(["a", "b"])))


@app.get("/next")
def following():
    return {"had": "key" in g}


def close(body):
    try:
        body.close()
    except (ValueError, RuntimeError):
        pass


def call(path, **query):
    answers = []
    body = app(EnvironBuilder(path, query_string=query).get_environ(), lambda *start: answers.append(start))
    return body, next(iter(body))


if __name__ == "__main__":
    stream, _ = call("/left", api_key=KEY)
    other = threading.Thread(target=close, args=(stream,))
    other.start()
    other.join(20)
    _, answer = call("/next")
    assert b"true" in answer, "needs Flask 3.1.2 or 3.1.3"
