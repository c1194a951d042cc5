"""Help texts."""

from __future__ import annotations

from rasp.rules.help_text import Help

UNAUTHENTICATED_LLM_ENDPOINT = Help(
    summary="A caller whom nobody checked makes the app spend its own key for an LLM provider.",
    happened="""\
While it handled a request, the app sent a request that costs money to a known LLM provider, or to one
of `llm_hosts`, with a key that the caller did not bring. Until then nothing that the caller presented
had been verified, or the caller presented nothing at all. Requests with GET are free and do not count.
""",
    danger="""\
whoever finds the route can run prompts of their own at the app's expense, in any number,
and use the app as a free proxy to the model. Such endpoints are looked for by machines; the bill or the
exhausted quota is how it is noticed.
""",
    grading="""\
- **warning**: the request presented no credential.
- **note**: it presented one, or something like one (a session, a signature, a value too short to
  follow), but no verifier was seen to accept it. Comparisons with `==` cannot be seen.

Nothing is said once a value was verified or looked up with a hit, or where `verified_upstream` is set.
""",
    defect="""\
import openai
from flask import Flask, request

app = Flask(__name__)
client = openai.OpenAI()


@app.post("/ask")
def ask():
    question = [{"role": "user", "content": request.json["question"]}]
    answer = client.chat.completions.create(model="gpt-5", messages=question)
    return {"answer": answer.choices[0].message.content}
""",
    fix="""\
import hmac

from flask import abort


@app.post("/ask")
def ask():
    key = request.headers.get("X-API-Key", "")
    if not hmac.compare_digest(key.encode(), app.config["API_KEY"].encode()):
        abort(401)
    question = [{"role": "user", "content": request.json["question"]}]
    answer = client.chat.completions.create(model="gpt-5", messages=question)
    return {"answer": answer.choices[0].message.content}
""",
    fine="""\
A public demo is meant to answer everybody, behind a limit per address and a budget at the provider.
""",
    allow="""\
import rasp

with rasp.allow("unauthenticated-llm-endpoint", reason="public demo, limited per address"):
    client.chat.completions.create(model="gpt-5", messages=question)
""",
    links=("OWASP LLM10: https://genai.owasp.org/llmrisk/llm102025-unbounded-consumption/",),
)

PLAINTEXT_CREDENTIAL = Help(
    summary="A credential is sent over plain http.",
    happened="""\
An outbound HTTP request carries a live credential, the caller's or the app's own, in a header or its
body, and its URL begins with `http://` (or `ws://`). What counts is the host in the URL: a tunnel
through a proxy to an `https://` URL is encrypted, and this machine is no network.
""",
    danger="""\
everyone on the way reads it: other machines of the network, proxies, providers. They need
no access to either end, leave no trace, and can use the credential as long as it is valid.
""",
    grading="""\
- **error**: to a public name or address.
- **warning**: the same, of a value of 8 to 15 characters.
- **note**: to a name without a domain, one that ends in `.svc`, `.internal` or `.local`, or a private
  address: there a mesh or a network of one's own may protect it.

To this machine (`localhost`, 127.0.0.1, ::1) nothing is said. A value in the URL is `raw-token-in-url`.
""",
    defect="""\
import os

import requests
from flask import Flask

app = Flask(__name__)


@app.post("/pay")
def pay():
    headers = {"Authorization": f"Bearer {os.environ['PAYMENT_API_KEY']}"}
    answer = requests.post("http://api.payments.example.com/v1/charges", headers=headers, timeout=5)
    return answer.json()
""",
    fix="""\
@app.post("/pay")
def pay():
    headers = {"Authorization": f"Bearer {os.environ['PAYMENT_API_KEY']}"}
    answer = requests.post("https://api.payments.example.com/v1/charges", headers=headers, timeout=5)
    return answer.json()
""",
    fine="""\
The network itself encrypts, as a VPN or a service mesh with mutual TLS does, under a name that looks
public.
""",
    allow="""\
import rasp

with rasp.allow("plaintext-credential", reason="inside the VPN"):
    requests.post("http://charges.corp.example.com/v1", headers=headers, timeout=5)
""",
    links=("OWASP: https://cheatsheetseries.owasp.org/cheatsheets/Transport_Layer_Security_Cheat_Sheet.html",),
)
