"""A short value of another caller in a response is one severity lower than a long one: a warning."""

from flask import Flask

import rasp

KEY = "item2024x"
SECRETS = [KEY]

app = Flask(__name__)


@app.get("/keep")
def keep():
    return {}


@app.get("/list")
def listing():  # expect: cross-request-leak
    return {"items": ["item2024x", "item2025x"]}


if __name__ == "__main__":
    client = app.test_client()
    assert client.get("/keep", headers={"X-API-Key": KEY}).data
    assert client.get("/list").data
    found = [f.severity.word for f in rasp.findings() if f.rule == "cross-request-leak"]
    assert found == ["warning"], found
