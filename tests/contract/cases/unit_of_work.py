"""A unit of work outside WSGI is a scope of its own: a logged key, a hold left over, and the same done right."""

import io
import logging

import rasp

KEY = "su7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("worker")


def job():
    with rasp.scope("job"):
        rasp.track(KEY, kind="api_key")
        with rasp.hold(KEY, "pool"):
            log.info("working")
        log.info("key %s", KEY)  # expect: raw-token-logged
        rasp.hold(KEY, "left")  # expect: never-released


if __name__ == "__main__":
    job()
    job()
