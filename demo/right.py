"""The routes of ``wrong.py`` done right: rasp has no warning and no error for them, whatever overlaps."""

import logging
import uuid
from collections.abc import Iterator

import jwt
from cachelib import SimpleCache
from callers import api_key, bearer_token, digest, verified
from flask import Blueprint, Response, g, request, stream_with_context
from flask.typing import ResponseReturnValue
from made_up import API_KEYS
from meetings import pause
from native_keys import keyring

log = logging.getLogger("demo.right")
cache = SimpleCache()

plain = Blueprint("right", __name__, url_prefix="/right")
one_hook = Blueprint("right_one_hook", __name__, url_prefix="/right")
flagged = Blueprint("right_flagged", __name__, url_prefix="/right")
streamed = Blueprint("right_streamed", __name__, url_prefix="/right")
blueprints = (plain, one_hook, flagged, streamed)


# 1. One hook owns the key on flask.g, and it is the one that runs for failed requests too.


@one_hook.before_request
def load_key() -> None:
    g.api_key = api_key()


@one_hook.get("/two-hooks")
def key_with_one_owner() -> ResponseReturnValue:
    return {"account": API_KEYS[g.api_key]}


@one_hook.teardown_request
def clear_key(error: BaseException | None) -> None:
    g.pop("api_key", None)


# 2. Signature, algorithm and expiry are checked.


@plain.get("/decode")
def token_verified() -> ResponseReturnValue:
    try:
        return {"user": verified(bearer_token())["sub"]}
    except jwt.InvalidTokenError:
        return {"error": "invalid token"}, 401


# 3. The cache knows the token by its digest only, and one place invalidates the entry, this request's own.


@plain.get("/cache")
def cached_under_digest() -> ResponseReturnValue:
    token = bearer_token()
    slot = f"{digest(token)}:{uuid.uuid4().hex}"
    cache.set(slot, "being verified")
    try:
        return {"user": verified(token)["sub"]}
    except jwt.InvalidTokenError:
        return {"error": "invalid token"}, 401
    finally:
        cache.delete(slot)


# 4. The log names the token, enough to find it again and too little to use it.


@plain.get("/log")
def digest_logged() -> ResponseReturnValue:
    token = bearer_token()
    user = verified(token)["sub"]
    log.info("%s came with token %s", user, digest(token)[:12])
    return {"user": user}


# 5. The flag lives where the key lives, on the g of the request.


@flagged.before_request
def load_key_and_reset_flag() -> None:
    g.key_cleared = False
    g.api_key = api_key()


@flagged.get("/flag")
def flag_of_the_request() -> ResponseReturnValue:
    pause()
    return {"account": API_KEYS[g.api_key]}


@flagged.after_request
def clear_and_set_flag(response: Response) -> Response:
    if not g.key_cleared:
        g.key_cleared = True
        g.pop("api_key", None)
    pause("pause_after")
    return response


@flagged.teardown_request
def clear_unless_flagged(error: BaseException | None) -> None:
    if not g.key_cleared:
        g.key_cleared = True
        g.pop("api_key", None)


# 6. Each request has an entry of its own, and deletes no other.


@plain.get("/quota")
def entry_of_the_request() -> ResponseReturnValue:
    token = bearer_token()
    user = verified(token)["sub"]
    slot = f"quota:{digest(token)}:{uuid.uuid4().hex}"
    cache.set(slot, {"calls left": 100})
    try:
        pause()
        return {"user": user}
    finally:
        cache.delete(slot)


# 7. Whoever frees the handle takes it off flask.g first, so a repeated teardown finds nothing.


@streamed.before_request
def open_handle() -> None:
    key = api_key()
    g.account = API_KEYS[key]
    g.handle = keyring.keyring_open(key.encode())
    assert keyring.keyring_verify(g.handle, request.headers["X-API-Key"].encode())


@streamed.get("/export")
def streamed_without_handle() -> ResponseReturnValue:
    def rows() -> Iterator[str]:
        yield "account,amount\n"
        yield f"{g.account},12.50\n"

    return Response(stream_with_context(rows()), mimetype="text/csv")


@streamed.teardown_request
def free_handle(error: BaseException | None) -> None:
    handle = g.pop("handle", None)
    if handle is not None:
        keyring.keyring_free(handle)
