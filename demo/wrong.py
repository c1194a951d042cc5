"""Credentials mishandled. ``right.py`` has the same routes done right.

``# expect: <rule>`` ends each line at which rasp reports that rule as a warning or an error; no other line
gets one. ``expected.json`` names the same findings by function, with their severities. Hooks belong to a
blueprint of their own, so that each defect stays in its route.
"""

import logging
from collections.abc import Iterator

import jwt
from cachelib import SimpleCache
from callers import api_key, bearer_token, digest, verified
from flask import Blueprint, Response, g, request, stream_with_context
from flask.typing import ResponseReturnValue
from made_up import API_KEYS
from meetings import pause
from native_keys import keyring

log = logging.getLogger("demo.wrong")
cache = SimpleCache()

plain = Blueprint("wrong", __name__, url_prefix="/wrong")
two_hooks = Blueprint("wrong_two_hooks", __name__, url_prefix="/wrong")
flagged = Blueprint("wrong_flagged", __name__, url_prefix="/wrong")
streamed = Blueprint("wrong_streamed", __name__, url_prefix="/wrong")
blueprints = (plain, two_hooks, flagged, streamed)


# 1. Two hooks each believe that they own the key on flask.g.


@two_hooks.before_request
def load_key() -> None:
    g.api_key = api_key()


@two_hooks.get("/two-hooks")
def key_with_two_owners() -> ResponseReturnValue:
    return {"account": API_KEYS[g.api_key]}


@two_hooks.after_request
def wipe_key(response: Response) -> Response:
    g.pop("api_key", None)
    return response


@two_hooks.teardown_request
def clear_key(error: BaseException | None) -> None:
    g.pop("api_key", None)  # expect: double-release


# 2. The signature is not checked, so anybody can write the token.


@plain.get("/decode")
def token_not_verified() -> ResponseReturnValue:
    claims = jwt.decode(bearer_token(), options={"verify_signature": False})  # expect: unverified-token
    return {"user": claims["sub"]}


# 3. The cache's keys are live tokens, and a token that is refused is invalidated twice.


@plain.get("/cache")
def cached_under_token() -> ResponseReturnValue:
    token = bearer_token()
    cache.set(token, "being verified")  # expect: raw-token-as-key
    try:
        return {"user": verified(token)["sub"]}
    except jwt.InvalidTokenError:
        cache.delete(token)
        return {"error": "invalid token"}, 401
    finally:
        cache.delete(token)  # expect: double-release


# 4. Who reads the log can call as this caller.


@plain.get("/log")
def token_logged() -> ResponseReturnValue:
    token = bearer_token()
    user = verified(token)["sub"]
    log.info("%s came with %s", user, token)  # expect: raw-token-logged
    return {"user": user}


# 5. The flag guards the second clear, but all requests with one key share it: another may reset it meanwhile.

cleared: dict[str, bool] = {}


@flagged.before_request
def load_key_and_reset_flag() -> None:
    g.key_digest = digest(request.headers.get("X-API-Key", ""))
    cleared[g.key_digest] = False
    g.api_key = api_key()


@flagged.get("/flag")
def flag_shared_by_requests() -> ResponseReturnValue:
    pause()
    return {"account": API_KEYS[g.api_key]}


@flagged.after_request
def clear_and_set_flag(response: Response) -> Response:
    if not cleared[g.key_digest]:
        cleared[g.key_digest] = True
        g.pop("api_key", None)
    pause("pause_after")
    return response


@flagged.teardown_request
def clear_unless_flagged(error: BaseException | None) -> None:
    if not cleared[g.key_digest]:
        cleared[g.key_digest] = True
        g.pop("api_key", None)  # expect: double-release


# 6. Requests with one token share one entry: the first to end takes it from the others.


@plain.get("/quota")
def entry_shared_by_requests() -> ResponseReturnValue:
    token = bearer_token()
    user = verified(token)["sub"]
    slot = "quota:" + digest(token)
    if cache.get(slot) is None:
        cache.set(slot, {"calls left": 100})
    try:
        pause()
        return {"user": user}
    finally:
        cache.delete(slot)  # expect: concurrent-reuse


# 7. Flask 3.1.2 and 3.1.3 run teardown twice on one g for a streamed response: its pointer is freed twice.


@streamed.before_request
def open_handle() -> None:
    key = api_key()
    g.account = API_KEYS[key]
    g.handle = keyring.keyring_open(key.encode())
    assert keyring.keyring_verify(g.handle, request.headers["X-API-Key"].encode())


@streamed.get("/export")
def streamed_with_handle() -> ResponseReturnValue:
    def rows() -> Iterator[str]:
        yield "account,amount\n"
        yield f"{g.account},12.50\n"

    return Response(stream_with_context(rows()), mimetype="text/csv")


@streamed.teardown_request
def free_handle(error: BaseException | None) -> None:
    if "handle" in g:
        keyring.keyring_free(g.handle)  # expect: double-release
