"""Routes that release on their success path and not on an error path, in either order; and those that are fine."""

import ctypes

from flask import Flask, Response, abort, g, request

import rasp

KEY = "ir7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
libc = ctypes.CDLL("libc.so.6")
libc.opendir.argtypes, libc.opendir.restype = [ctypes.c_char_p], ctypes.c_void_p
libc.closedir.argtypes = [ctypes.c_void_p]


@app.get("/native")
def native():
    handle = libc.opendir(b".")  # expect: inconsistent-release
    if "bad" in request.args:
        return {}, 400
    libc.closedir(handle)
    return {}


@app.get("/handled")
def handled():
    handle = libc.opendir(b".")  # expect: inconsistent-release
    if "bad" in request.args:
        abort(403)
    libc.closedir(handle)
    return {}


@app.get("/unhandled")
def unhandled():
    handle = libc.opendir(b".")  # expect: inconsistent-release
    int(request.args.get("bad", "1"))
    libc.closedir(handle)
    return {}


@app.get("/hold/<int:number>")
def held(number):
    slot = f"job-{number}"
    rasp.hold(request.headers["X-API-Key"], slot)  # expect: inconsistent-release, never-released
    if "bad" in request.args:
        return {}, 404
    rasp.release(request.headers["X-API-Key"], slot)
    return {}


@app.get("/stream")
def stream():
    handle = libc.opendir(b".")  # expect: inconsistent-release
    if "bad" in request.args:
        return {}, 409

    def parts():
        yield b"a"
        libc.closedir(handle)

    return Response(parts())


@app.before_request
def open_for_some():
    if request.path == "/hooked":
        g.handle = libc.opendir(b".")  # expect: inconsistent-release, never-released
        if "bad" in request.args:
            abort(401)


@app.get("/hooked")
def hooked():
    libc.closedir(g.handle)
    return {}


@app.get("/fine/finally")
def fine_finally():
    handle = libc.opendir(b".")
    try:
        int(request.args.get("bad", "1"))
        return {}
    finally:
        libc.closedir(handle)


@app.get("/fine/teardown")
def fine_teardown():
    g.closed_in_teardown = libc.opendir(b".")
    int(request.args.get("bad", "1"))
    return {}


@app.teardown_request
def teardown(error):
    handle = g.pop("closed_in_teardown", None)
    if handle is not None:
        libc.closedir(handle)


@app.get("/fine/never_acquired")
def fine_never_acquired():
    if "bad" in request.args:
        return {}, 400
    libc.closedir(libc.opendir(b"."))
    return {}


pool = []


@app.get("/fine/never_released")
def fine_never_released():
    pool.append(libc.opendir(b"."))
    return ({}, 400) if "bad" in request.args else {}


@app.get("/fine/sometimes_kept")
def fine_sometimes_kept():
    pool.append(libc.opendir(b"."))
    if "bad" in request.args:
        return {}, 400
    if "keep" not in request.args:
        libc.closedir(pool.pop())
    return {}


@app.get("/fine/context")
def fine_context():
    with rasp.hold(request.headers["X-API-Key"], "context"):
        int(request.args.get("bad", "1"))
    return {}


def opened():
    return libc.opendir(b".")


@app.get("/fine/one_route")
def fine_one_route():
    pool.append(opened())
    return {}, 400


@app.get("/fine/another_route")
def fine_another_route():
    libc.closedir(opened())
    return {}


class Folder:
    def __init__(self):
        self.handle = libc.opendir(b".")

    def __del__(self):
        libc.closedir(self.handle)


@app.get("/fine/destructor")
def fine_destructor():
    folder = Folder()
    int(request.args.get("bad", "1"))
    return {"open": folder.handle != 0}


@app.get("/fine/redirected")
def fine_redirected():
    handle = libc.opendir(b".")
    libc.closedir(handle)
    return ({}, 302) if "bad" in request.args else {}


if __name__ == "__main__":
    rasp.native_library(libc, acquire=["opendir"], release=["closedir"])
    client = app.test_client()
    routes = [str(rule) for rule in app.url_map.iter_rules() if rule.endpoint != "static"]
    for at, route in enumerate(sorted(routes)):
        path = route.replace("<int:number>", "7")
        for query in ["bad=x", "", "keep"] if at % 2 else ["keep", "", "bad=x"]:
            path = path.replace("7", "8")
            client.get(f"{path}?{query}", headers={"X-API-Key": KEY}).get_data()
