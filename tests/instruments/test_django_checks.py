"""Django's signing and password hashes, in an app of Django's own."""

from __future__ import annotations

from typing import ClassVar

import django
import pytest
from contract import KEY, Subject
from django.conf import settings
from support.made_up import text
from support.web import call
from verifier_contract import LOUD, VerifierContract, log_to_memory

import rasp

SECRET, OLDER = text("django", 50), text("older django", 50)

if not settings.configured:
    settings.configure(
        SECRET_KEY=SECRET,
        SECRET_KEY_FALLBACKS=[OLDER],
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DEBUG_PROPAGATE_EXCEPTIONS=True,
        LOGGING_CONFIG=None,
    )
    django.setup()

from django.contrib.auth.hashers import check_password, make_password  # noqa: E402
from django.core import signing  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

STORED = make_password(KEY, "salt", "default")
SIGNED = signing.dumps({"user": 7}, salt="reset")
VIEWS: dict = {}


def view(request, name):
    return VIEWS[name](request)


urlpatterns = [path("<slug:name>", view)]


class TestDjango(VerifierContract):
    name = "django"
    hooks = ("django.check", "django.unsign")
    paths = (*VerifierContract.paths, "/signed")
    holder = "django"
    credential = KEY
    headers: ClassVar[dict[str, str]] = {"X-API-Key": KEY}

    def subject(self, folder):
        log = log_to_memory()

        def defect(request):
            checked = check_password(request.headers["X-API-Key"], STORED)
            log.warning("came with %s", KEY)
            return JsonResponse({"checked": checked})

        VIEWS.update(
            clean=lambda request: told(check_password(request.headers["X-API-Key"], STORED)),
            defect=defect,
            refused=lambda request: told(check_password(request.headers["X-API-Key"], make_password("another")), 403),
            signed=lambda request: JsonResponse(signing.loads(SIGNED, salt="reset")),
            raises=lambda request: signing.loads("forged:1abcde:nothing", salt="reset"),
        )
        return Subject(rasp.Middleware(WSGIHandler()))

    def raises(self, subject):
        with pytest.raises(signing.BadSignature) as caught:
            self.call(subject, "/raises")
        return None, caught.value


def told(checked, status=200):
    return HttpResponse(b'{"checked":%s}\n' % str(checked).lower().encode(), status=status)


def test_a_signed_link_is_verified_by_either_key(install_rasp):
    installed = install_rasp(record=True, rules=LOUD)
    rotated = signing.TimestampSigner(key=OLDER, salt="reset").sign_object({"user": 7})
    VIEWS["link"] = lambda request: JsonResponse(signing.loads(request.GET["token"], salt="reset"))
    app = rasp.Middleware(WSGIHandler())
    for token in (SIGNED, rotated):
        assert call(app, f"/link?token={token}").body == b'{"user": 7}'
    assert installed.seen("django", "hmac") == [("verify", "django")] * 2
    assert installed.findings == []
    assert installed.runtime.ledger.values.get(SECRET).kind.value == "service"
