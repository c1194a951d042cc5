"""Read, answered 2xx and never checked is a note at the view; checked, refused, unread and the app's own are not."""

import hashlib
import hmac

from cachelib import SimpleCache
from flask import Flask, request, session

SECRETS = ["Vx7Jk2Lm9Qw4Er6Ty8Ui3Op1", "of-the-app-itself-9Qw4Er6Ty8"]
ENV = {"REPORT_API_KEY": "of-the-app-itself-9Qw4Er6Ty8"}

app = Flask(__name__)
app.secret_key = "Bn5Hg7Fd3Sa1Po9Iu2Yt6Re4"
cache = SimpleCache()


def presented():
    return request.headers["X-API-Key"]


@app.get("/present")
def present():  # note: unvalidated-credential
    return {"ok": bool(presented())}


@app.get("/cookie")
def cookie():  # note: unvalidated-credential
    return {"ok": "auth_token" in request.cookies and len(request.cookies["auth_token"])}


@app.get("/unread")
def unread():
    return {"ok": True}


@app.get("/refused")
def refused():
    return {"ok": bool(presented())}, 403


@app.get("/compared")
def compared():
    return {"ok": hmac.compare_digest(presented(), "something else")}


@app.get("/looked")
def looked():
    return {"ok": cache.get("k:" + hashlib.sha256(presented().encode()).hexdigest())}


@app.get("/own")
def own():
    return {"ok": request.headers["Authorization"].endswith("9Qw4Er6Ty8")}


@app.get("/session")
def visit():
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"]}


if __name__ == "__main__":
    key = SECRETS[0]
    cache.set("k:" + hashlib.sha256(key.encode()).hexdigest(), "ann")
    for path in ("present", "unread", "refused", "compared", "looked"):
        assert app.test_client().get(f"/{path}", headers={"X-API-Key": key + path}).data, path
    client = app.test_client()
    assert client.get("/own", headers={"Authorization": f"Bearer {SECRETS[1]}"}).json == {"ok": True}
    assert [client.get("/session").json["visits"] for _ in range(3)] == [1, 2, 3]
    client.set_cookie("auth_token", key + "cookie")
    assert client.get("/cookie").data
