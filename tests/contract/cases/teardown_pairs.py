"""Two hooks that both release: their order and their kind make the evidence; one hook that runs again is a note."""

from flask import Flask, copy_current_request_context, current_app, g, request, stream_with_context

import rasp

KEY = "tp7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


@app.before_request
def load():
    g.where = request.endpoint
    g.key = request.headers["X-API-Key"]


@app.teardown_request
def of_request(error):
    if g.where in ("both", "context"):
        g.pop("key", None)
    if g.where == "handled":
        del g.key  # expect: double-release


@app.teardown_appcontext
def of_context(error):
    if g.where == "both":
        g.pop("key", None)  # expect: double-release


@app.teardown_request
def again(error):
    if g.where in ("streamed", "repeated", "inside"):
        g.pop("key", None)  # note: double-release


@app.errorhandler(PermissionError)
def refuse(error):
    del g.key
    return {}, 401


@app.get("/both")
def both():
    return {}


@app.get("/handled")
def handled():
    raise PermissionError


@app.get("/streamed")
def streamed():
    return app.response_class(stream_with_context(iter(["a", "b"])))


@app.get("/repeated")
def repeated():
    current_app.do_teardown_request()
    return {}


@app.get("/in_one_function")
def in_one_function():
    try:
        raise KeyError
    except KeyError:
        g.pop("key", None)
    finally:
        g.pop("key", None)  # expect: double-release
    return {}


@app.get("/inside")
def inside():
    """A copied context runs the hooks of the request on the same g."""
    copy_current_request_context(lambda: None)()
    return {}


@app.get("/fine")
def fine():
    g.pop("key")
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("both", "handled", "streamed", "repeated", "in_one_function", "inside", "fine"):
        try:
            client.get(f"/{path}", headers={"X-API-Key": KEY}).get_data()
        except AttributeError:
            assert path == "handled"
    found = {f.location.function: f.severity.word for f in rasp.findings() if f.rule == "double-release"}
    severities = {"of_request": "error", "of_context": "warning", "again": "note", "in_one_function": "warning"}
    assert found == severities, found
