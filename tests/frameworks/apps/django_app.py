"""Django: a clean page, one that logs the caller's key, and streams that do and do not."""

import logging
import sys

import django
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="made up for a test, and of no use: " + "m4nQ8xL2",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    LOGGING_CONFIG=None,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - needs the settings
from django.urls import path  # noqa: E402

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
log = logging.getLogger("shop")


def clean(request):
    log.info("clean page for %s", request.META["REMOTE_ADDR"])
    return HttpResponse("fine")


def leak(request):
    log.info("caller %s", request.headers.get("X-API-Key"))  # here: log
    return HttpResponse("logged")


def stream(request, kind):
    def produce():
        for number in range(3):
            yield f"{number}\n"
        if kind == "leaking":
            log.info("streamed to %s", request.headers.get("X-API-Key"))  # here: stream
        yield "end\n"

    return StreamingHttpResponse(produce())


def denied(request):
    return HttpResponse("no", status=401)


urlpatterns = [
    path("clean", clean),
    path("log", leak),
    path("stream/<str:kind>", stream),
    path("denied", denied),
]
app = get_wsgi_application()
