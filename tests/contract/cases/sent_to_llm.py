"""The app's key for an LLM gateway spent for anyone, for someone unchecked or checked; and a key they bring."""

import hmac
import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import anthropic
import openai
from flask import Flask, request

PROVIDER = "sk-proj-pr7Jk2Lm9Qw4Er6Ty8Ui3Op5"
KEY = "ca7Jk2Lm9Qw4Er6Ty8Ui3Op5"
OWN = "sk-ow7Jk2Lm9Qw4Er6Ty8Ui3Op5"
SECRETS = [PROVIDER, KEY, OWN]
ENV = {"OPENAI_API_KEY": "sk-proj-pr7Jk2Lm9Qw4Er6Ty8Ui3Op5"}
CONFIG = 'llm_hosts = ["127.0.0.1"]\n'

app = Flask(__name__)


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": "hello"}
        document = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        document["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
        if self.path == "/v1/messages":
            document = {"id": "1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
            document |= {"content": [], "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


asked = [{"role": "user", "content": "hi"}]


@app.get("/anyone")
def anyone():
    client.chat.completions.create(model="m", messages=asked)  # expect: unauthenticated-llm-endpoint
    return {}


@app.get("/anyone-else")
def anyone_else():
    claude.messages.create(model="m", max_tokens=1, messages=asked)  # expect: unauthenticated-llm-endpoint
    return {}


@app.get("/unchecked")
def unchecked():
    client.chat.completions.create(model="m", messages=asked)  # note: unauthenticated-llm-endpoint
    return {}


@app.get("/checked")
def checked():
    assert hmac.compare_digest(request.headers["X-API-Key"], KEY)
    client.chat.completions.create(model="m", messages=asked)
    return {}


@app.get("/theirs")
def theirs():
    with openai.OpenAI(api_key=request.headers["X-Their-Key"], base_url=f"{url}/v1") as their:
        their.chat.completions.create(model="m", messages=asked)
    return {}


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Server)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, daemon=True).start()
    client = openai.OpenAI(api_key=os.environ["OPENAI_API_KEY"], base_url=f"{url}/v1")
    claude = anthropic.Anthropic(api_key=os.environ["OPENAI_API_KEY"], base_url=url)
    for path, headers in (
        ("anyone", {}), ("anyone-else", {"Cookie": "theme=dark"}), ("unchecked", {"X-API-Key": KEY}),
        ("checked", {"X-API-Key": KEY}), ("theirs", {"X-Their-Key": OWN}),
    ):  # fmt: skip
        assert app.test_client().get(f"/{path}", headers=headers).status_code == 200, path
    server.shutdown()
