"""The suites that ``upstream.py`` runs: released versions, what their tests need, and what is left out of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """One project's own tests.

    Attributes:
        name: as on PyPI.
        version: the release whose source distribution holds the tests.
        needs: what to install beside the project.
        extra: an extra of the project that its tests need.
        arguments: given to pytest.
        tests: what to run, by default what the project's own settings say.
        without_tests: why the suite cannot be run, if it cannot.
    """

    name: str
    version: str
    needs: tuple[str, ...] = ("pytest",)
    extra: str = ""
    arguments: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    without_tests: str = ""

    @property
    def requirement(self) -> str:
        """The project itself, pinned."""
        return f"{self.name}{self.extra}=={self.version}"


SUITES = (
    Suite("flask", "3.1.3", ("pytest<9", "asgiref", "greenlet", "python-dotenv")),
    Suite(
        "werkzeug",
        "3.1.9",
        ("pytest", "pytest-timeout", "cffi", "cryptography", "ephemeral-port-reserve", "watchdog"),
        # Starts servers in processes of their own, which no option of pytest reaches.
        arguments=("--ignore=tests/test_serving.py",),
    ),
    Suite("itsdangerous", "2.2.0", ("pytest", "freezegun")),
    Suite("pyjwt", "2.15.1", ("pytest<9",), extra="[crypto]"),
    Suite(
        "structlog",
        "26.1.0",
        ("pytest", "pytest-asyncio", "pytest-randomly", "simplejson", "time-machine"),
        arguments=("-p", "no:randomly"),
    ),
    Suite(
        "cachelib",
        "0.17.0",
        ("pytest", "pytest-xprocess"),
        tests=("tests/test_file_system_cache.py", "tests/test_simple_cache.py"),
    ),
    Suite(
        "flask-caching",
        "2.5.1",
        ("flask[async]", "pytest", "pytest-asyncio", "pytest-xprocess", "pylibmc", "redis"),
        # The tests of back ends need servers.
        arguments=("--ignore=tests/test_backend_cache.py", "-o", "asyncio_default_fixture_loop_scope=function"),
    ),
    Suite("flask-login", "0.6.3", ("pytest", "asgiref", "blinker", "semantic-version")),
    Suite("loguru", "0.7.3", without_tests="its source distribution holds no tests"),
    Suite("cachetools", "8.0.0"),
    Suite("waitress", "3.0.2", ("pytest", "pytest-cov"), arguments=("--no-cov",)),
    Suite("flask-jwt-extended", "4.7.4", ("pytest<9", "cryptography", "python-dateutil")),
    Suite("flask-wtf", "1.3.0", ("pytest", "email-validator")),
    Suite("flask-httpauth", "4.8.1", ("pytest", "asgiref")),
    Suite("joserfc", "1.8.0", ("pytest", "pycryptodome")),
    Suite(
        "httpx",
        "0.28.1",
        ("pytest<9", "trio", "trustme", "uvicorn", "chardet", "click<8.3", "rich", "pygments"),
        extra="[brotli,http2,socks,zstd]",
        # Newer releases of what it uses warn, and its settings make errors of that.
        arguments=("-o", "filterwarnings=default"),
    ),
    Suite(
        "opentelemetry-instrumentation-flask",
        "0.66b1",
        ("pytest", "opentelemetry-test-utils==0.66b1", "opentelemetry-instrumentation-wsgi==0.66b1", "flask==3.1.3"),
    ),
    Suite(
        "sqlalchemy",
        "2.1.9",
        ("pytest", "greenlet"),
        # Its core over SQLite; the rest is its ORM and other databases.
        tests=("test/base", "test/engine"),
    ),
    Suite(
        "django",
        "5.2.19",
        ("pytest", "pytest-django"),
        # What needs no applications installed, which its own runner sees to (its cache tests do); with pytest some
        # of the others fail by themselves.
        arguments=("--ds=test_sqlite", "-o", "pythonpath=tests", "-o", "python_files=tests.py"),
        tests=tuple(
            f"tests/{part}/tests.py"
            for part in (
                "signing",
                "wsgi",
                "requests_tests",
                "responses",
                "httpwrappers",
                "logging_tests",
                "middleware",
            )
        ),
    ),
    Suite("flask-session", "0.8.0", without_tests="its source distribution holds no tests"),
    Suite("authlib", "1.9.10", without_tests="its source distribution holds no tests"),
    Suite("urllib3", "2.8.0", without_tests="its tests need a fork of hypercorn that is not on PyPI"),
)
