"""A presented key among the arguments of a Celery task, which its broker keeps; ids are fine, and one run at once."""

from celery import Celery
from flask import Flask, request

KEY = "ce7Jk2Lm9Qw4Er6Ty8Ui3Zx1"
SECRETS = [KEY]

app = Flask(__name__)
tasks = Celery("tasks", broker="memory://")


@tasks.task
def fetch(caller, key=None):
    return caller


def presented():
    return request.headers["X-API-Key"]


@app.post("/sent")
def sent():
    fetch.delay(17, key=presented())  # expect: raw-token-stored
    return "ok"


@app.post("/nested")
def nested():
    fetch.apply_async(args=[{"headers": {"Authorization": f"Bearer {presented()}"}}])  # expect: raw-token-stored
    return "ok"


@app.post("/clean")
def clean():
    fetch.delay(17)
    fetch.apply(args=[17, presented()])
    return {"caller": fetch(17, presented())}


if __name__ == "__main__":
    for path in ("sent", "nested", "clean"):
        assert app.test_client().post(f"/{path}", headers={"X-API-Key": KEY}).status_code == 200, path
