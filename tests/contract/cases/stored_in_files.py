"""A presented key written to files, by every usual way; memory, logs and files without it are no matter."""

import csv
import io
import json
import logging
import pickle
import shelve
from pathlib import Path

from flask import Flask, request

KEY = "fi7Jk2Lm9Qw4Er6Ty8Ui3Zx1"
SECRETS = [KEY]

app = Flask(__name__)
log = logging.getLogger("calls")
log.addHandler(logging.FileHandler("calls.log"))
log.setLevel(logging.INFO)
audit = open("audit.txt", "a")  # noqa: SIM115


def presented():
    return request.headers["X-API-Key"]


@app.get("/written")
def written():
    with open("last.txt", "w") as file:
        file.write(f"last caller: {presented()}\n")  # expect: raw-token-stored
    return "ok"


@app.get("/printed")
def printed():
    print("called with", presented(), file=audit, flush=True)  # expect: raw-token-stored
    return "ok"


@app.get("/path")
def path():
    Path("key.bin").write_bytes(presented().encode())  # expect: raw-token-stored
    return "ok"


@app.get("/dumped")
def dumped():
    with open("headers.json", "w") as file:
        json.dump({"headers": dict(request.headers)}, file)  # expect: raw-token-stored
    with open("callers.csv", "w", newline="") as file:
        csv.writer(file).writerow(["ann", presented()])  # expect: raw-token-stored
    return "ok"


@app.get("/pickled")
def pickled():
    with open("state.pickle", "wb") as file:
        pickle.dump({"caller": {"key": presented()}}, file)  # expect: raw-token-stored
    with shelve.open("state") as state:
        state["caller"] = {"key": presented()}  # expect: raw-token-stored
    return "ok"


@app.get("/memory")
def memory():
    pickle.loads(pickle.dumps({"key": presented()}))
    buffer = io.StringIO()
    json.dump({"key": presented()}, buffer)
    pickle.dump({"key": presented()}, io.BytesIO())
    return "ok"


@app.get("/clean")
def clean():
    log.info("called with %s…", presented()[:4])
    with open("report.csv", "w", newline="") as file:
        csv.writer(file).writerows([["name", "calls"], ["ann", 3]])
    Path("report.json").write_text(json.dumps({"caller": presented()[:4]}))
    return Path("report.csv").read_text()


if __name__ == "__main__":
    for name in ("written", "printed", "path", "dumped", "pickled", "memory", "clean"):
        assert app.test_client().get(f"/{name}", headers={"X-API-Key": KEY}).status_code == 200, name
    audit.close()
    assert KEY in Path("audit.txt").read_text()
