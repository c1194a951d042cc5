"""Help texts of the exposure family, third part: a raw credential sent on, stored, or given to a process."""

from __future__ import annotations

from rasp.rules.help_text import Help

RAW_TOKEN_SENT_ELSEWHERE = Help(
    summary="The caller's credential is sent to a host that is not in `allowed_hosts`.",
    happened="""\
While the app handled a request, it sent the credential that the caller had presented to another host, in a
header, the URL or the body of an outbound request. The host is not in `allowed_hosts`. Typical is a proxy
view that passes all headers on, an `Authorization` header kept through a redirect, and a webhook that
repeats the whole request.
""",
    danger="""\
the caller gave the credential to this app and to nobody else. The other host, its logs and
whoever runs it can now act as that caller here. Where the address comes from the request, an attacker
names a host of its own and collects what arrives.
""",
    grading="""\
- **warning**: the host is not allowed.
- **note**: the value has 8 to 15 characters.

Loopback, the app's `SERVER_NAME` and the names in `allowed_hosts` are allowed; the `Host` header of the
request never counts, since the caller writes it. The app's own key for a service (`service`) is not the
caller's and is no finding. Another caller's credential sent out is `cross-request-leak`.
""",
    defect="""\
import requests
from flask import Flask, request

app = Flask(__name__)


@app.get("/api/weather")
def weather():
    headers = {name: value for name, value in request.headers if name != "Host"}
    answer = requests.get("https://weather.example.net/today", headers=headers, timeout=5)
    return answer.json()
""",
    fix="""\
@app.get("/api/weather")
def weather():
    headers = {"X-API-Key": app.config["WEATHER_API_KEY"]}  # the app's own key, not the caller's
    answer = requests.get("https://weather.example.net/today", headers=headers, timeout=5)
    return answer.json()
""",
    fine="""\
It is fine where the other host is the same service, or is meant to check this very credential: an identity
provider, a service behind a gateway. Name it once in `rasp.toml`:
`allowed_hosts = ["auth.example.com"]`.
""",
    allow="""\
import rasp
import requests

with rasp.allow("raw-token-sent-elsewhere", reason="the caller's own account there, by his wish"):
    requests.get(url, headers={"Authorization": authorization}, timeout=5)
""",
    links=("OAuth 2.0 security (RFC 9700, 4.9): https://www.rfc-editor.org/rfc/rfc9700",),
)

RAW_TOKEN_STORED = Help(
    summary="A credential that a caller presented is written in the clear to a database, a file or a cache.",
    happened="""\
A credential that was presented to this app was written in the clear: by SQL (`VALUES`, `SET`), to a file
or a pickle, or as a value into a cache on disk or across the network. The finding is located at the call
that wrote it.
""",
    danger="""\
what is stored outlives the request by years, in backups, replicas and dumps. Whoever gets one
copy, by an injection into any other query or from a lost disk, holds every caller's key at once and is
served as each of them.
""",
    grading="""\
- **warning**: written by SQL, to a file or pickle, or as a value into a cache that is not in this process.
- **note**: a lookup (`WHERE key = ?`), since the database's log may keep it; a statement that cannot be
  parsed; a value of 8 to 15 characters.

A digest of the value is no finding. Neither is a cache that lives in the process only, nor the app's own
secrets. The *name* of an entry is `raw-token-as-key`, and a log file is `raw-token-logged`.
""",
    defect="""\
import sqlite3

from flask import Flask, request

app = Flask(__name__)


@app.post("/api/devices")
def register():
    with sqlite3.connect("devices.db") as database:
        database.execute("INSERT INTO devices (token) VALUES (?)", (request.headers["X-API-Key"],))
    return {"ok": True}
""",
    fix="""\
import hashlib


@app.post("/api/devices")
def register():
    digest = hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()
    with sqlite3.connect("devices.db") as database:
        database.execute("INSERT INTO devices (token_sha256) VALUES (?)", (digest,))
    return {"ok": True}
""",
    fine="""\
An app that has to send the credential on later, such as the token of another service, must keep it: then
encrypted, by a key that is not in the same store. To recognise a key it is enough to store its digest; keys
with 128 bits of chance in them need no slow hash.
""",
    allow="""\
import rasp

with rasp.allow("raw-token-stored", reason="test database, emptied after each run"):
    database.execute("INSERT INTO devices (token) VALUES (?)", (token,))
""",
    links=(
        "OWASP, secrets: https://cheatsheetseries.owasp.org/cheatsheets/Secrets_Management_Cheat_Sheet.html",
        "Python, hashlib: https://docs.python.org/3/library/hashlib.html",
    ),
)

RAW_TOKEN_IN_PROCESS_ARGS = Help(
    summary="A raw credential stands among the arguments of a process that the app starts.",
    happened="""\
The app started a process, and its arguments contain a live credential: `curl -H "Authorization: ..."`, a
command of a database client with `--password`, a script that is given the key.
""",
    danger="""\
the arguments of a process can be read by every user of the machine, by `ps` or in `/proc`, as
long as it runs. They are kept by process accounting, audit logs and monitoring, and printed by the tool's
own error messages.
""",
    grading="""\
- **error**: the usual case.
- **warning**: the value has 8 to 15 characters.

Only the arguments are judged. The environment of a process and its standard input are read by its own user
alone, and are the way to hand a credential over.
""",
    defect="""\
import subprocess

from flask import Flask, request

app = Flask(__name__)


@app.post("/api/export")
def export():
    header = f"Authorization: {request.headers['Authorization']}"
    subprocess.run(["curl", "-sS", "-H", header, "https://files.example.com/export"], check=True)
    return {"ok": True}
""",
    fix="""\
@app.post("/api/export")
def export():
    header = f"Authorization: {request.headers['Authorization']}"
    command = ["curl", "-sS", "-H", "@-", "https://files.example.com/export"]  # reads headers from its input
    subprocess.run(command, input=header, text=True, check=True)
    return {"ok": True}
""",
    fine="""\
Hardly ever. A tool that takes its key as an argument only, on a machine that runs nothing else, may be one
case; most tools also read a file or a variable of their environment.
""",
    allow="""\
import rasp

with rasp.allow("raw-token-in-process-args", reason="no other way; its container runs nothing else"):
    subprocess.run(["legacy-export", "--token", token], check=True)
""",
    links=("Python, subprocess: https://docs.python.org/3/library/subprocess.html",),
)
