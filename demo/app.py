"""A Flask app that mishandles credentials in every way ``rasp`` follows, each beside its right form.

``/wrong/...`` has the defects, ``/right/...`` the same routes done right; the app does not know of rasp. By
hand, in this folder::

    rasp run --findings findings.jsonl -- python -m gunicorn --worker-class gthread --threads 4 app:app
    rasp report findings.jsonl --format text

``rasp demo`` does that and sends the requests too (``drive.py``).
"""

import logging
import os

import meetings
import right
import wrong
from flask import Flask
from flask.typing import ResponseReturnValue

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

app = Flask(__name__)
for blueprint in (meetings.blueprint, *wrong.blueprints, *right.blueprints):
    app.register_blueprint(blueprint)


@app.get("/health")
def health() -> ResponseReturnValue:
    """Which worker process answers: it changes when one has died."""
    return {"worker": os.getpid()}
