"""A link that the app has signed with its time stands in the access log as it must; one without a time is a key."""

import io
import logging
import threading
import urllib.request

from flask import Flask
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer
from werkzeug.serving import make_server

KEY = "made-up-8Jd3Lq6VnT4w"
SECRETS = [KEY]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("links")
timed = URLSafeTimedSerializer(KEY, salt="reset")
endless = URLSafeSerializer(KEY, salt="feed")
LINK, FEED = timed.dumps(["ann"]), endless.dumps(["ann"])


@app.get("/reset/<token>")
def reset(token):  # note: raw-token-in-url
    return {"user": timed.loads(token, max_age=3600)[0]}


@app.get("/wordy/<token>")
def wordy(token):  # note: raw-token-in-url
    user = timed.loads(token, max_age=3600)[0]
    log.info("reset of %s by %s", user, token)  # expect: raw-token-logged
    return {"user": user}


@app.get("/feed/<token>.xml")
def feed(token):  # expect: raw-token-in-url
    return {"user": endless.loads(token)[0]}


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app)
    base = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for path in (f"/reset/{LINK}", f"/wordy/{LINK}", f"/feed/{FEED}.xml"):
        urllib.request.urlopen(base + path, timeout=20).read()
    server.shutdown()
