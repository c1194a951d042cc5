"""Help texts of the verification family, second part: the app's own key spent, a credential sent in plain text."""

from __future__ import annotations

from rasp.rules.help_text import Help

UNAUTHENTICATED_LLM_ENDPOINT = Help(
    summary="A caller whom nothing verified makes the app spend its own key of an LLM provider.",
    happened="""\
While the app handled a request, it called an LLM provider with its own key. The request had presented no
credential, or none that anything was seen to verify. The finding is located at the call of the provider.
""",
    danger="""\
whoever finds the address uses the model at the app's expense. Such endpoints are searched for
and resold; the bill or the exhausted quota comes first, and the provider may close the account. What the
prompt brings along, such as documents of other users, is read with it.
""",
    grading="""\
- **warning**: the request presented no credential at all.
- **note**: it presented one, and nothing was seen to verify, look up or compare it. A comparison by `==`
  cannot be seen.

A call outside of any request, such as a nightly job, is no finding.
""",
    defect="""\
from flask import Flask, request
from openai import OpenAI

app = Flask(__name__)
client = OpenAI()  # the app's own key, from OPENAI_API_KEY


@app.post("/api/ask")
def ask():
    answer = client.responses.create(model="gpt-4o-mini", input=request.get_json()["question"])
    return {"answer": answer.output_text}
""",
    fix="""\
import hmac


@app.post("/api/ask")
def ask():
    key = request.headers.get("X-API-Key", "")
    if not hmac.compare_digest(key.encode(), app.config["API_KEY"].encode()):
        return {"error": "invalid key"}, 401
    answer = client.responses.create(model="gpt-4o-mini", input=request.get_json()["question"])
    return {"answer": answer.output_text}
""",
    fine="""\
It is fine for a public demo whose provider key has a limit of its own and that a rate limiter guards, and
for an app that is reachable only through a gateway which checks the caller.
""",
    allow="""\
import rasp

with rasp.allow("unauthenticated-llm-endpoint", reason="public demo, its key is limited to 5 dollars a day"):
    client.responses.create(model="gpt-4o-mini", input=question)
""",
    links=(
        "OWASP, LLM10 unbounded consumption: https://genai.owasp.org/llmrisk/llm102025-unbounded-consumption/",
        "Python, hmac.compare_digest: https://docs.python.org/3/library/hmac.html#hmac.compare_digest",
    ),
)

PLAINTEXT_CREDENTIAL = Help(
    summary="A credential is sent over plain http.",
    happened="""\
The app sent a live credential, its own or the caller's, in a request whose URL begins with `http://`. It is
judged by the host name of that URL, at the call that sends.
""",
    danger="""\
everybody on the way reads it: the wireless network, the provider, each proxy between. It can
be copied or replaced unnoticed, and a redirect to https comes too late, since the credential has been sent
by then.
""",
    grading="""\
- **error**: the usual case.
- **warning**: the same, with a value of 8 to 15 characters.
- **note**: a host of an internal network: a name without a dot, a name that ends in `.svc`, `.internal` or
  `.local`, a private address.

Loopback is no finding: nothing leaves the machine.
""",
    defect="""\
import requests
from flask import Flask

app = Flask(__name__)


@app.get("/api/rates")
def rates():
    headers = {"X-API-Key": app.config["RATES_API_KEY"]}
    return requests.get("http://rates.example.com/latest", headers=headers, timeout=5).json()
""",
    fix="""\
@app.get("/api/rates")
def rates():
    headers = {"X-API-Key": app.config["RATES_API_KEY"]}
    return requests.get("https://rates.example.com/latest", headers=headers, timeout=5).json()
""",
    fine="""\
It is tolerable inside a network whose connections are encrypted below http, such as a service mesh or a
tunnel to that host.
""",
    allow="""\
import rasp
import requests

with rasp.allow("plaintext-credential", reason="through the encrypted tunnel to the partner"):
    requests.get("http://partner.example.com/status", headers=headers, timeout=5)
""",
    links=(
        "Transport Layer Security (RFC 9325): https://www.rfc-editor.org/rfc/rfc9325",
        "Bearer tokens (RFC 6750, 5.3): https://www.rfc-editor.org/rfc/rfc6750",
    ),
)
