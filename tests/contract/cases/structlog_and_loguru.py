"""structlog without the standard library, and loguru's ways to write: what is rendered counts."""

import io
import logging

import structlog
from flask import Flask, request
from loguru import logger

KEY = "sl7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
out = io.StringIO()
structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    logger_factory=structlog.PrintLoggerFactory(out),
)
log = structlog.get_logger()
logger.remove()
logger.add(out, serialize=True, format="{message}")
logger.add(out, enqueue=True, filter=lambda record: "queued" in record["extra"])


@app.get("/structlog")
def with_structlog():
    key = request.headers["X-API-Key"]
    log.debug("x", key=key)
    log.info("x", key=key)  # expect: raw-token-logged
    log.bind(key=[key]).warning("x")  # expect: raw-token-logged
    try:
        raise ValueError(key)
    except ValueError:
        log.exception("x")  # expect: raw-token-logged
    return {}


@app.get("/loguru")
def with_loguru():
    key = request.headers["X-API-Key"]
    logger.info("x {}", key)  # expect: raw-token-logged
    logger.bind(key=key).info("x")  # expect: raw-token-logged
    logger.bind(queued=True).info("q {}", key)  # expect: raw-token-logged
    logger.complete()
    with logger.catch():  # expect: raw-token-logged
        raise ValueError(key)
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("structlog", "loguru"):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).status_code == 200
