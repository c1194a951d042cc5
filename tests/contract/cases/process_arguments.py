"""A presented key, and one of the service's own, on command lines; in environment and standard input they are fine."""

import asyncio
import os
import subprocess

from flask import Flask, request

KEY = "pa7Jk2Lm9Qw4Er6Ty8Ui3Zx1"
OWN = "ow7Jk2Lm9Qw4Er6Ty8Ui3Zx1"
SECRETS = [KEY, OWN]
ENV = {"UPSTREAM_API_KEY": "ow7Jk2Lm9Qw4Er6Ty8Ui3Zx1"}

app = Flask(__name__)


def presented():
    return request.headers["X-API-Key"]


@app.get("/listed")
def listed():
    subprocess.run(["true", "--token", presented()], check=True)  # expect: raw-token-in-process-args
    return "ok"


@app.get("/shell")
def shell():
    os.system(f"true Authorization: Bearer {presented()}")  # expect: raw-token-in-process-args
    return "ok"


@app.get("/own")
def own():
    command = f"true --key={os.environ['UPSTREAM_API_KEY']}"
    subprocess.check_output(command, shell=True)  # expect: raw-token-in-process-args
    return "ok"


@app.get("/spawned")
def spawned():
    os.spawnlp(os.P_WAIT, "true", "true", presented())  # expect: raw-token-in-process-args
    return "ok"


@app.get("/awaited")
def awaited():
    async def work():
        process = await asyncio.create_subprocess_exec("true", presented())  # expect: raw-token-in-process-args
        await process.wait()

    asyncio.run(work())
    return "ok"


@app.get("/clean")
def clean():
    subprocess.run(["true", "status"], check=True, env={**os.environ, "TOKEN": presented()})
    subprocess.run(["cat"], check=True, input=presented().encode(), stdout=subprocess.DEVNULL)
    os.system("true --version")
    return "ok"


if __name__ == "__main__":
    for path in ("listed", "shell", "own", "spawned", "awaited", "clean"):
        assert app.test_client().get(f"/{path}", headers={"X-API-Key": KEY}).status_code == 200, path
