"""Where in a `try` the second release stands: only its body is guarded, by a handler that names the class or a base."""

import contextlib

from flask import Flask, g, request

KEY = "ge7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
GUARDS = (KeyError, AttributeError)


@app.before_request
def load():
    g.key = request.headers["X-API-Key"]
    del g.key


@app.errorhandler(Exception)
def handled(error):
    return {}, 500


@app.get("/in_handler")
def in_handler():
    try:
        raise AttributeError
    except AttributeError:
        del g.key  # expect: double-release


@app.get("/in_finally")
def in_finally():
    try:
        return {}
    except AttributeError:
        return {}
    finally:
        del g.key  # expect: double-release


@app.get("/in_else")
def in_else():
    try:
        pass
    except AttributeError:
        pass
    else:
        del g.key  # expect: double-release


@app.get("/base_exception")
def base_exception():
    try:
        del g.key  # expect: double-release
    except BaseException:
        pass
    return {}


@app.get("/tuple_with_exception")
def tuple_with_exception():
    try:
        del g.key  # expect: double-release
    except (ValueError, Exception):
        pass
    return {}


@app.get("/nested_function")
def nested_function():
    def inner():
        del g.key  # expect: double-release

    try:
        inner()
    except AttributeError:
        pass
    return {}


@app.get("/lookup")
def lookup():
    try:
        g.pop("key")  # expect: double-release
    except LookupError:
        pass
    return {}


@app.get("/outer_try")
def outer_try():
    try:
        try:
            del g.key  # expect: double-release
        finally:
            request.args.get("x")
    except AttributeError:
        pass
    return {}


@app.get("/suppressed")
def suppressed():
    with contextlib.suppress(ValueError), contextlib.suppress(AttributeError):
        del g.key  # expect: double-release
    return {}


@app.get("/named")
def named():
    try:
        del g.key  # expect: double-release
    except GUARDS:
        pass
    return {}


@app.get("/star")
def star():
    try:
        del g.key  # expect: double-release
    except* AttributeError:
        pass
    return {}


EXPECTED = {
    "in_handler": "error",
    "in_finally": "error",
    "in_else": "error",
    "base_exception": "error",
    "tuple_with_exception": "error",
    "nested_function": "error",
    "lookup": "warning",
    "outer_try": "warning",
    "suppressed": "warning",
    "named": "warning",
    "star": "warning",
}

if __name__ == "__main__":
    import rasp

    client = app.test_client()
    for path in EXPECTED:
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).data
    function = {"nested_function": "inner"}
    found = {f.location.function: f.severity.word for f in rasp.findings() if f.rule == "double-release"}
    assert found == {function.get(path, path): severity for path, severity in EXPECTED.items()}, found
