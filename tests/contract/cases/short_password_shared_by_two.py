"""Two users chose one short password; the second one's encoded pair is a credential like the first one's."""

import base64
import io
import logging

from flask import Flask, request

PASSWORD = "Sommer2024x"
SECRETS = [PASSWORD]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.get("/first")
def first():
    return {"user": request.authorization.username}


@app.get("/second")
def second():
    app.logger.warning("header %s", request.headers["Authorization"])  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path, user in (("/first", "alice"), ("/second", "bernadette")):
        pair = base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
        assert client.get(path, headers={"Authorization": f"Basic {pair}"}).status_code == 200
