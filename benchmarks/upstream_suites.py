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
)
