"""Where a record becomes text: formatters, extra, exceptions, queues, buffers, handlers that render by themselves."""

import io
import logging
import logging.handlers
import queue

from flask import Flask, request

KEY = "lh7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)


def logger(name, handler, pattern="%(message)s"):
    made = logging.getLogger(name)
    made.propagate = False
    made.setLevel(logging.INFO)
    handler.setFormatter(logging.Formatter(pattern))
    made.addHandler(handler)
    return made


class Sender(logging.Handler):
    def emit(self, record):
        sent.append((record.msg, record.args))


class Masking(logging.Filter):
    def filter(self, record):
        record.msg, record.args = record.getMessage().replace(KEY, "***"), ()
        return True


sent = []
plain = logger("plain", logging.StreamHandler(io.StringIO()))
extra = logger("extra", logging.StreamHandler(io.StringIO()), "%(key)s %(message)s")
sender = logger("sender", Sender())
target = logging.StreamHandler(io.StringIO())
buffered = logger("buffered", logging.handlers.MemoryHandler(100, target=target))
records = queue.Queue()
queued = logger("queued", logging.handlers.QueueHandler(records))
listener = logging.handlers.QueueListener(records, logging.StreamHandler(io.StringIO()))
masked = logger("masked", logging.StreamHandler(io.StringIO()))
masked.addFilter(Masking())
stopped = logger("stopped", logging.NullHandler())


@app.get("/")
def index():
    key = request.headers["X-API-Key"]
    plain.debug("%s", key)
    stopped.info("%s", key)
    masked.info("%s", key)
    plain.info("x", extra={"key": key})
    extra.info("x", extra={"key": key})  # expect: raw-token-logged
    sender.info("%s", key)  # expect: raw-token-logged
    plain.info("%(a)s", {"a": [key]})  # expect: raw-token-logged
    buffered.info("%s", key)  # expect: raw-token-logged
    buffered.handlers[0].flush()
    queued.info("%s", key)  # expect: raw-token-logged
    listener.stop()
    try:
        raise ValueError(key)
    except ValueError:
        plain.exception("failed")  # expect: raw-token-logged
    plain.info("stack", stack_info=True)
    return {}


@app.get("/crash")
def crash():  # expect: raw-token-logged
    raise ValueError(request.headers["X-API-Key"])


if __name__ == "__main__":
    app.logger.handlers[:] = [logging.StreamHandler(io.StringIO())]
    listener.start()
    client = app.test_client()
    assert client.get("/", headers={"X-API-Key": KEY}).status_code == 200
    assert client.get("/crash", headers={"X-API-Key": KEY}).status_code == 500
