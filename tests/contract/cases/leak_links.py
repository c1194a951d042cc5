"""What links two credentials: one request answered below 400, one step, no service value, no more than 8 others."""

from flask import Flask, g, request

VALUES = [f"l{letter}7Jk2Lm9Qw4Er6Ty8Ui3" for letter in "abcdefghijklmnop"]
SECRETS = ["la7Jk2Lm9Qw4Er6Ty8Ui3", "lb7Jk2Lm9Qw4Er6Ty8Ui3", "lc7Jk2Lm9Qw4Er6Ty8Ui3", "lz7Jk2Lm9Qw4Er6Ty8Ui3"]
ENV = {"PARTNER_API_KEY": "lz7Jk2Lm9Qw4Er6Ty8Ui3"}
SERVICE = "lz7Jk2Lm9Qw4Er6Ty8Ui3"

app = Flask(__name__)
kept = {}


@app.get("/keep")
def keep():
    kept["value"] = request.headers["X-API-Key"]
    return {}, int(request.args.get("status", 200))


@app.get("/linked")
def linked():
    g.value = kept["value"]
    return {}


@app.get("/refused")
def refused():
    g.value = kept["value"]  # expect: cross-request-leak
    return {}


@app.get("/two_steps")
def two_steps():
    g.value = kept["value"]  # expect: cross-request-leak
    return {}


@app.get("/through_service")
def through_service():
    g.value = kept["value"]  # expect: cross-request-leak
    return {}


@app.get("/service")
def service():
    g.value = SERVICE
    return {}


@app.get("/own")
def own():
    g.value = kept["value"]
    return {}


@app.get("/in_query")
def in_query():
    g.value = kept["value"]
    return {}


if __name__ == "__main__":
    client = app.test_client()

    def send(path, key=None, auth=None):
        headers = {"X-API-Key": key} if key else {}
        if auth:
            headers["X-Auth-Token"] = auth
        return client.get(path, headers=headers).get_data()

    a, b, c, d, e, f, h, i, *_ = VALUES
    send("/keep", a, b)
    send("/linked", b)
    send("/keep?status=403", c)
    kept["value"] = c
    send("/keep", c)
    send("/keep?status=403", c, d)
    send("/refused", d)
    send("/keep", e, f)
    send("/keep", f, h)
    kept["value"] = e
    send("/two_steps", h)
    send("/keep", i, SERVICE)
    kept["value"] = i
    send("/through_service", SERVICE)
    send("/service", a)
    kept["value"] = a
    send("/own", a)
    send(f"/in_query?anything={a}", b + "x")
