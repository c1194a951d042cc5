"""Apps that log users in by session: rasp has nothing to say."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets

import pytest
from cachelib import FileSystemCache
from flask import Flask, flash, g, redirect, render_template_string, request, session, url_for
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user, logout_user
from flask_wtf import CSRFProtect, FlaskForm
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from ordinary.sites import statuses
from support.made_up import text
from werkzeug.security import check_password_hash, generate_password_hash
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired

# Flask-Login makes its dates in a way that newer Pythons warn of.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

log = logging.getLogger("shop")
PASSWORD = "correct horse battery staple"
HASH = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1000")


class User(UserMixin):
    def __init__(self, name):
        self.id = name


def members_app():
    """Flask-Login with "remember me"."""
    app = Flask(__name__)
    app.secret_key = text("members", 40)
    manager = LoginManager(app)
    manager.login_view, manager.login_message = "login", None
    manager.user_loader(User)

    @app.route("/login", methods=["GET", "POST"])
    def login():
        if request.method == "POST" and check_password_hash(HASH, request.form["password"]):
            login_user(User(request.form["name"]), remember="remember" in request.form)
            log.info("%s logged in", request.form["name"])
            flash("Welcome")
            return redirect(request.args.get("next") or url_for("home"))
        if request.method == "POST":
            log.warning("failed login of %s from %s", request.form["name"], request.remote_addr)
            return "wrong", 401
        return "the form"

    @app.get("/")
    @login_required
    def home():
        g.user = current_user.id
        log.info("home of %s", g.user)
        return render_template_string("{{ get_flashed_messages()|join }} {{ current_user.id }}")

    @app.get("/logout")
    def logout():
        logout_user()
        return redirect("/")

    return app


def test_flask_login_remembers_a_user(silence):
    silence.saw("cookie:session", "cookie:remember_token")
    user = silence.serve(members_app()).browser()
    assert user.follow(user.get("/")).text == "the form"
    assert user.post("/login", {"name": "ann", "password": "guess"}).status == 401
    page = user.post("/login?next=%2F", {"name": "ann", "password": PASSWORD, "remember": "y"})
    assert user.follow(page).text == "Welcome ann"
    del user.cookies["session"]  # the browser was closed
    assert user.get("/").text.strip() == "ann"
    assert user.get("/logout").status == 302
    assert "remember_token" not in user.cookies
    assert user.get("/").status == 302


def test_two_users_and_a_shared_browser(silence):
    """Two people, many requests, one after the other and at once; then one logs in where another was."""
    silence.saw("cookie:session")
    site = silence.serve(members_app())
    ann, bob = site.browser(), site.browser()
    for user, name in ((ann, "ann"), (bob, "bob")):
        user.follow(user.post("/login", {"name": name, "password": PASSWORD}))
    pages = ann.together(*[lambda user=user: user.get("/") for user in (ann, bob, ann, bob, ann, bob)])
    assert [page.text.strip() for page in pages] == ["ann", "bob"] * 3
    ann.get("/logout")
    ann.post("/login", {"name": "eve", "password": PASSWORD})
    assert ann.get("/").text.strip() == "Welcome eve"


def test_logging_out_twice(silence):
    """A double click on "log out", one after the other and at once."""
    silence.saw("cookie:session")
    user = silence.serve(members_app()).browser()
    user.post("/login", {"name": "ann", "password": PASSWORD, "remember": "y"})
    assert statuses(user.together(*[lambda: user.get("/logout")] * 2)) == [302, 302]
    assert user.get("/logout").status == 302
    assert user.get("/logout").status == 302


class NoteForm(FlaskForm):
    title = StringField(validators=[DataRequired()])
    password = PasswordField()


def forms_app():
    """Flask-WTF forms, protected against request forgery; errors are shown with what was typed."""
    app = Flask(__name__)
    app.secret_key = text("forms", 40)
    app.config["WTF_CSRF_SSL_STRICT"] = False
    CSRFProtect(app)

    @app.route("/note", methods=["GET", "POST"])
    def note():
        form = NoteForm()
        if form.validate_on_submit():
            log.info("note %s saved, form had %s", form.title.data, sorted(request.form))
            session["notes"] = [*session.get("notes", []), form.title.data]
            return redirect(url_for("note"))
        if form.errors:
            log.info("form refused: %s %s", form.errors, form.data)
        return render_template_string(
            "<form>{{ form.csrf_token }}{{ form.title }}</form>{{ form.errors }}{{ session.notes }}", form=form
        )

    @app.post("/api/notes")
    def add():
        log.info("csrf header %s", request.headers["X-CSRFToken"])
        return {"csrf_token": request.headers["X-CSRFToken"], "notes": session.get("notes", [])}

    return app


def test_flask_wtf_forms(silence):
    silence.saw("cookie:session")
    user = silence.serve(forms_app()).browser()
    token = re.search(r'name="csrf_token" type="hidden" value="([^"]+)"', user.get("/note").text)[1]
    assert user.post("/note", {"title": "milk"}).status == 400
    assert user.post("/note", {"csrf_token": token, "title": "milk", "password": "pw"}).status == 302
    assert "milk" in user.get("/note").text
    assert "required" in user.post("/note", {"csrf_token": token, "title": ""}).text
    assert user.post("/api/notes", X_CSRFToken=token).json() == {"csrf_token": token, "notes": ["milk"]}
    assert user.post("/api/notes", X_CSRFToken=token + "x").status == 400


def accounts_app(outbox):
    """Links sent by mail: signed, timed, and bound to the password they replace."""
    app = Flask(__name__)
    app.secret_key = text("accounts", 40)
    app.config["MAIL"] = outbox
    signer = URLSafeTimedSerializer(app.secret_key, salt="reset")
    passwords = {"ann@example.org": HASH}

    @app.post("/forgot")
    def forgot():
        token = signer.dumps([request.form["email"], passwords[request.form["email"]][-8:]])
        outbox.append(url_for("reset", token=token, _external=True))
        log.info("sent a reset link to %s", request.form["email"])
        return "sent"

    def email_of(token):
        try:
            email, stamp = signer.loads(token, max_age=3600)
        except SignatureExpired:
            return None
        except BadSignature:
            return None
        return email if passwords[email][-8:] == stamp else None

    @app.route("/reset/<token>", methods=["GET", "POST"])
    def reset(token):
        email = email_of(token)
        if email is None:
            return "this link is no longer valid", 404
        if request.method == "POST":
            passwords[email] = generate_password_hash(request.form["password"], method="pbkdf2:sha256:1000")
            session.clear()
            return redirect(url_for("done"))
        return render_template_string('<form action="{{ request.path }}">new password</form>')

    @app.get("/confirm")
    def confirm():
        return {"confirmed": email_of(request.args["token"]) is not None}

    @app.get("/done")
    def done():
        return "done"

    return app


def test_links_for_password_reset_and_confirmation(silence):
    outbox = []
    user = silence.serve(accounts_app(outbox)).browser()
    user.post("/forgot", {"email": "ann@example.org"})
    link = outbox[0]
    assert "/reset/" in user.get(link).text
    assert user.get(link.replace("/reset/", "/confirm?token=")).json() == {"confirmed": True}
    assert user.follow(user.post(link, {"password": "a new one"})).text == "done"
    assert user.get(link).status == 404
    assert user.get("/confirm?token=" + link.rpartition("/")[2]).json() == {"confirmed": False}
    assert user.get("/reset/" + secrets.token_urlsafe(40)).status == 404


def test_double_submit_of_a_csrf_cookie(silence):
    """The cookie and the header carry the same value, of which the app itself makes no secret."""
    app = Flask(__name__)

    @app.get("/")
    def start():
        response = app.make_response("start")
        response.set_cookie("XSRF-TOKEN", text("double submit", 32))
        return response

    @app.post("/save")
    def save():
        cookie, header = request.cookies["XSRF-TOKEN"], request.headers["X-XSRF-TOKEN"]
        log.info("comparing %s and %s", cookie, header)
        return {"same": secrets.compare_digest(cookie, header), "token": header}

    user = silence.serve(app).browser()
    user.get("/")
    assert user.post("/save", X_XSRF_TOKEN=user.cookies["XSRF-TOKEN"]).json()["same"]


def test_feature_flags_in_cookies(silence):
    app = Flask(__name__)
    app.secret_key = text("flags", 40)

    @app.get("/")
    def home():
        flags = request.cookies.get("features", "")
        session.setdefault("visits", 0)
        session["visits"] += 1
        log.info("flags %s theme %s visits %d", flags, request.cookies.get("token-theme"), session["visits"])
        response = app.make_response({"flags": flags.split(","), "visits": session["visits"]})
        response.set_cookie("features", "new-checkout-page,dark-mode-toggle")
        response.set_cookie("token-theme", "solarized-dark-high-contrast")
        return response

    silence.saw("cookie:session")
    user = silence.serve(app).browser()
    user.get("/")
    assert user.get("/").json() == {"flags": ["new-checkout-page", "dark-mode-toggle"], "visits": 2}


def cart_app(**settings):
    """Flask-Session: the cookie holds an id, a store holds the cart."""
    from flask_session import Session

    app = Flask(__name__)
    app.config.update(settings, SESSION_PERMANENT=True)
    Session(app)

    @app.post("/cart/<item>")
    def add(item):
        session["cart"] = [*session.get("cart", []), item]
        log.info("cart has %d items", len(session["cart"]))
        return {"cart": session["cart"]}

    @app.get("/cart")
    def cart():
        return {"cart": session.get("cart", []), "visitor": hashlib.sha256(session.sid.encode()).hexdigest()}

    @app.post("/login")
    def login():
        session["user"] = request.form["name"]
        app.session_interface.regenerate(session)
        return {"user": session["user"]}

    @app.post("/logout")
    def logout():
        session.clear()
        return {"user": None}

    return app


def shop_around(user):
    """What a visitor does with a cart."""
    assert user.get("/cart").json()["cart"] == []
    user.post("/cart/milk")
    assert user.post("/cart/bread").json() == {"cart": ["milk", "bread"]}
    before = user.cookies["session"]
    assert user.post("/login", {"name": "ann"}).json() == {"user": "ann"}
    assert user.cookies["session"] != before
    assert user.get("/cart").json()["cart"] == ["milk", "bread"]
    pages = user.together(*[lambda: user.get("/cart")] * 6)
    assert len({page.text for page in pages}) == 1
    user.post("/logout")
    assert "session" not in user.cookies
    user.post("/logout")
    assert user.get("/cart").json()["cart"] == []


def test_flask_session_on_redis(silence, redis_client):
    silence.saw("cookie:session")
    site = silence.serve(cart_app(SESSION_TYPE="redis", SESSION_REDIS=redis_client))
    shop_around(site.browser())
    shop_around(site.browser())


def test_flask_session_on_disk(silence, tmp_path):
    silence.saw("cookie:session")
    cache = FileSystemCache(str(tmp_path / "sessions"))
    site = silence.serve(cart_app(SESSION_TYPE="cachelib", SESSION_CACHELIB=cache))
    shop_around(site.browser())
    shop_around(site.browser())
