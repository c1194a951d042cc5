"""Help texts."""

from __future__ import annotations

from rasp.rules.help_text import Help, pending

RAW_TOKEN_SENT_ELSEWHERE = Help(
    summary="The caller's own credential is sent to a host that the app was not told of.",
    happened="""\
While it handled a request, the app sent the credential which that request presented, in a header or the
body of an outbound HTTP request, to a host that is neither this machine, nor the app's `SERVER_NAME`,
nor in `allowed_hosts`. What counts is the host in the URL, never the `Host` header. The finding is
located at the call that sends.
""",
    danger="""\
whoever runs that host, or reads what it logs, can act as the caller everywhere the
credential is good. It often happens without a decision: a helper copies all incoming headers, a client
follows a redirect, or the caller chose the host.
""",
    grading="""\
- **warning**: the usual case.
- **note**: the value has 8 to 15 characters.

A value in the URL is `raw-token-in-url`, which speaks alone; another caller's value is
`cross-request-leak`.
""",
    defect="""\
import requests
from flask import Flask, request

app = Flask(__name__)


@app.get("/avatar")
def avatar():
    headers = {name: value for name, value in request.headers if name != "Host"}
    answer = requests.get("https://avatars.example.com/me", headers=headers, timeout=5)
    return answer.content
""",
    fix="""\
@app.get("/avatar")
def avatar():
    headers = {"Accept": request.headers.get("Accept", "*/*")}  # only what that host needs
    answer = requests.get("https://avatars.example.com/me", headers=headers, timeout=5)
    return answer.content
""",
    fine="""\
A gateway relays the caller's token to its upstream, and a resource server has it introspected. Name
those hosts: `allowed_hosts = ["upstream.example.com", ".internal.example.com"]`.
""",
    allow="""\
import rasp

with rasp.allow("raw-token-sent-elsewhere", reason="the partner takes our callers' tokens, by contract"):
    requests.get(PARTNER, headers={"Authorization": request.headers["Authorization"]}, timeout=5)
""",
    links=(
        "RFC 6750, section 5.2: https://www.rfc-editor.org/rfc/rfc6750#section-5.2",
        "RFC 8693, OAuth 2.0 Token Exchange: https://www.rfc-editor.org/rfc/rfc8693",
    ),
)

RAW_TOKEN_STORED = pending("raw-token-stored")

RAW_TOKEN_IN_PROCESS_ARGS = pending("raw-token-in-process-args")
