"""Starts released applications from PyPI with ``rasp run`` and drives them over HTTP as their users do.

Each runs in a virtual environment of its own, from a folder of its own, and must answer as its source says it does.
Prints what rasp found, to be judged by hand against the app's source.
"""

from __future__ import annotations

import argparse
import email
import os
import re
import socketserver
import subprocess
import sys
import tempfile
import threading
import venv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

from e2e.serving import Server  # noqa: E402 - lies below the folder just added
from ordinary.sites import Browser, Page, basic  # noqa: E402

RASP_NEEDS = ("gunicorn", "structlog", "opentelemetry-sdk", "wrapt>=1.17")
GUNICORN = (
    "-m", "gunicorn", "--no-control-socket", "-b", "127.0.0.1:0", "--access-logfile", "-", "-k", "gthread",
    "--threads", "4", "{wsgi}",
)  # fmt: skip


@dataclass(frozen=True)
class RealApp:
    """An application.

    Attributes:
        requirement: as on PyPI, pinned.
        wsgi: what gunicorn serves.
        variable: the environment variable that names its settings file.
        settings: that file, with ``{folder}`` and ``{mail}`` for its folder and the port of a mail server.
        drive: what its users do.
        needs: what to install beside it.
        serve: the module that serves it, with its options.
    """

    requirement: str
    wsgi: str
    variable: str
    settings: str
    drive: Callable[[Drive], None]
    needs: tuple[str, ...] = ()
    serve: tuple[str, ...] = GUNICORN


class Mail(socketserver.StreamRequestHandler):
    """A mail server that keeps what it is sent."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (part := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(part)
                letter = email.message_from_bytes(b"".join(lines))
                texts = [part.get_payload(decode=True) or b"" for part in letter.walk() if not part.is_multipart()]
                self.server.letters.append(b"".join(texts).decode())  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                return


@dataclass
class Drive:
    """A running app, seen by its users."""

    port: int
    letters: list[str]
    statuses: list[tuple[str, int]] = field(default_factory=list)

    def user(self) -> Browser:
        return Recording(self)

    def form(self, user: Browser, page: str, fields: dict[str, str], action: str = "") -> Page:
        """Fills in the form of a page, with its protection against request forgery, and sends it."""
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', user.get(page).text)
        token = {"csrf_token": found[1]} if found else {}
        return user.post(action or page, token | fields)


class Recording(Browser):
    """Writes down what each request came to."""

    def __init__(self, drive: Drive) -> None:
        super().__init__(drive.port)
        self.drive = drive

    def send(self, method: str, url: str, headers: dict[str, str], body: bytes = b"", type: str = "") -> Page:
        page = super().send(method, url, headers, body, type)
        shown = re.sub(r"[\w.\-]{16,}|(?<=/)[A-Za-z0-9]{8}(?=/|$)", "*", url.partition("?")[0])  # what differs by run
        self.drive.statuses.append((f"{method} {shown}", page.status))
        return page


PASSWORD = "a private code of 5 words"


def split_bills(drive: Drive) -> None:
    """ihatemoney: a project, its members and bills, an invitation, a forgotten code, the API, a reader of feeds."""
    ann = drive.user()
    ann.get("/")
    project = {"name": "Summer", "id": "summer", "password": PASSWORD, "contact_email": "ann@example.org"}
    drive.form(ann, "/create", project | {"default_currency": "XXX"})
    for name in ("ann", "bob"):
        drive.form(ann, "/summer/members/add", {"name": name, "weight": "1"})
    bill = {"date": "2026-07-01", "what": "milk", "payer": "1", "amount": "3", "original_currency": "XXX"}
    drive.form(ann, "/summer/add", bill | {"bill_type": "Expense", "payed_for": "1"})
    for page in ("", "statistics", "settle_bills", "history", "edit", "export/bills.json"):
        ann.get(f"/summer/{page}")
    invitation = ann.get("/summer/invite").text
    link = re.search(r"/summer/join/[\w.\-]+", invitation)
    bob = drive.user()
    for _ in range(2):
        assert link is not None
        bob.follow(bob.get(link[0]))
    feed = re.search(r"/summer/feed/[\w.\-]+\.xml", ann.get("/summer/").text)
    if feed is not None:
        drive.user().get(feed[0])
    drive.form(drive.user(), "/password-reminder", {"id": "summer"})
    letters = [letter for letter in drive.letters if "reset-password" in letter]
    for letter in letters:
        reset = re.search(r"/reset-password\?token=([\w.\-]*\w)", letter)
        assert reset is not None
        eve, where = drive.user(), f"/reset-password?token={reset[1]}"
        drive.form(eve, where, {"password": PASSWORD, "password_confirmation": PASSWORD})
    wrong = {"id": "summer", "password": "a wrong code of 5 words"}
    drive.form(drive.user(), "/authenticate", wrong)
    carl = drive.user()
    carl.follow(drive.form(carl, "/authenticate", wrong | {"password": PASSWORD}))
    drive.form(carl, "/summer/", {}, action="/exit")
    drive.form(carl, "/", {}, action="/exit")
    api = drive.user()
    api.headers["Authorization"] = basic("summer", PASSWORD)
    token = api.get("/api/projects/summer/token").json()["token"]
    for kind in (
        basic("summer", PASSWORD),
        basic("summer", "wrong code"),
        f"Bearer {token}",
        "Bearer wrong-token-of-ours",
    ):
        api.get("/api/projects/summer", Authorization=kind)
        api.get("/api/projects/summer/bills", Authorization=kind)
    calls = [lambda: api.get("/api/projects/summer/members", Authorization=f"Bearer {token}")] * 6
    api.together(*calls)
    api.delete("/api/projects/summer")


def paste(drive: Drive) -> None:
    """bepasty: pastes by form, in pieces and over its API, with a session, Basic auth and a token in the form."""
    secret = "bepasty-" + "Kq7vT2xZ9mW4sLb8"
    ann = drive.user()
    ann.get("/")
    ann.post("/+login", {"token": "a wrong secret"})
    ann.post("/+login", {"token": secret})
    page = ann.post("/+upload", {"text": "hello", "contenttype": "text/plain", "filename": "hello.txt"})
    where = page.location.partition("#")[0]
    for part in ("", "/+download", "/+inline", "/+qr"):
        ann.get(where + part)
    ann.get("/+list")
    made = ann.post(
        "/+upload/new", document={"filename": "big.txt", "size": 6, "type": "text/plain", "maxlife_value": "1"}
    )
    if made.status == 200:
        ann.upload(made.json()["url"], {}, "big.txt", b"pieces", Content_Range="bytes 0-5/6")
    for action in ("+lock", "+unlock", "+delete"):
        ann.post(f"{where}/{action}")
    ann.post("/+logout")
    ann.post("/+logout")
    ann.get("/+list")
    api = drive.user()
    for password in (secret, "a wrong secret"):
        api.headers["Authorization"] = basic("ann", password)
        api.get("/apis/rest")
        api.get("/apis/rest/items")
        headers = {"Content_Range": "bytes 0-4/5", "Content_Filename": "api.txt", "Content_Type": "text/plain"}
        api.send("POST", "/apis/rest/items", headers, b"aGVsbG8=", "text/plain")
    tool = drive.user()
    tool.post("/+upload", {"token": secret, "text": "hi", "contenttype": "text/plain", "filename": "hi.txt"})
    tool.get(f"/+list?token={secret}")
    api.together(*[lambda: api.get("/apis/rest/items", Authorization=basic("ann", secret))] * 6)


APPS = (
    RealApp(
        "ihatemoney==7.2.1",
        "ihatemoney.wsgi:application",
        "IHATEMONEY_SETTINGS_FILE_PATH",
        "SQLALCHEMY_DATABASE_URI = 'sqlite:///{folder}/bills.db'\nSECRET_KEY = 'made up: 5Tg8Kq2LxV9nB4wZ'\n"
        "SESSION_COOKIE_SECURE = False\nMAIL_SERVER = '127.0.0.1'\nMAIL_PORT = {mail}\nTALISMAN_FORCE_HTTPS = False\n",
        split_bills,
        # Its migrations switch off all loggers there are: gunicorn's access log would stay empty.
        serve=("-m", "flask", "--app", "{wsgi}", "run", "--port", "0"),
    ),
    RealApp(
        "bepasty==1.2.2",
        "bepasty.wsgi:application",
        "BEPASTY_CONFIG",
        "SECRET_KEY = 'made up: 7Yh3Nq6RvX2mC9dJ'\nSTORAGE_FILESYSTEM_DIRECTORY = '{folder}/storage'\n"
        "SESSION_COOKIE_SECURE = False\nDEFAULT_PERMISSIONS = 'read'\n"
        "PERMISSIONS = {{'bepasty-' + 'Kq7vT2xZ9mW4sLb8': 'admin,list,create,modify,read,delete'}}\n",
        paste,
    ),
)


def environment(app: RealApp, cache: Path) -> Path:
    """The interpreter of an environment with the app and what rasp needs."""
    wanted = "\n".join((app.requirement, *app.needs, *RASP_NEEDS))
    folder = cache / app.requirement
    python, stamp = folder / "bin" / "python", folder / "wanted"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", *wanted.split("\n")], check=True, stdin=subprocess.DEVNULL
        )
        stamp.write_text(wanted)
    return python


def run(app: RealApp, python: Path, mode: str | None) -> tuple[Server, Drive]:
    """One run of an app, ended in order."""
    folder = Path(tempfile.mkdtemp(prefix=app.requirement))
    (folder / "storage").mkdir()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as mail:
        mail.daemon_threads = True
        letters: list[str] = []
        mail.letters = letters  # type: ignore[attr-defined]
        threading.Thread(target=mail.serve_forever, daemon=True).start()
        settings = folder / "settings.cfg"
        settings.write_text(app.settings.format(folder=folder, mail=mail.server_address[1]))
        command = [str(python), *(part.format(wsgi=app.wsgi) for part in app.serve)]
        package = app.wsgi.partition(".")[0]
        server = Server(folder, command, mode=mode, **{app.variable: str(settings), "RASP_APP_PACKAGES": package})
        drive = Drive(server.port, letters)
        try:
            app.drive(drive)
        finally:
            server.stop()
            mail.shutdown()
    return server, drive


def main() -> int:
    """The program."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rasp-real-apps"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("apps", nargs="*", help=f"default: {', '.join(app.requirement for app in APPS)}")
    parser.add_argument("--cache", type=Path, default=default, metavar="DIR", help=f"environments (default: {default})")
    parser.add_argument("--output", action="store_true", help="print what the server wrote, too")
    arguments = parser.parse_args()
    different = 0
    for app in APPS:
        if arguments.apps and app.requirement.partition("==")[0] not in arguments.apps:
            continue
        python = environment(app, arguments.cache.resolve())
        _, plain = run(app, python, None)
        server, drive = run(app, python, "observe")
        same = sorted(plain.statuses) == sorted(drive.statuses)
        different += not same
        print(f"{app.requirement}: {len(drive.statuses)} requests, {'the same answers' if same else 'ANSWERS DIFFER'}")
        print(described(server.findings(), server.records()))
        if arguments.output:
            print(server.output)
            print("\n".join(f"{status} {request}" for request, status in drive.statuses))
    return 1 if different else 0


def described(findings: list[dict[str, Any]], records: list[dict[str, Any]]) -> str:
    """What was followed, and each defect with its count."""
    kinds: dict[str, int] = {}
    for record in records:
        for credential in record["credentials"]:
            kinds[credential["kind"]] = kinds.get(credential["kind"], 0) + 1
    lines = ["  followed: " + (", ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items())) or "nothing")]
    latest = {(found["key"], found.get("instance")): found for found in findings}
    for found in latest.values():
        place, credential = found["location"], found["credential"] or {}
        where = f"{place['file'].rpartition('site-packages/')[2]}:{place['line']} {place['function']}"
        about = f"{credential.get('kind')} from {credential.get('source')}"
        lines.append(
            f"  {found['severity']:7} {found['rule']:20} {found['count']:3} x {where} ({about}): {found['message']}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
