"""A working directory that holds the source file the sample findings point into."""

import linecache
from pathlib import Path

import pytest
from reporter_samples import SOURCE

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture
def project(tmp_path, monkeypatch):
    lines = [SOURCE.get(number, "") for number in range(1, 50)]
    (tmp_path / "app.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    linecache.clearcache()
    yield tmp_path
    linecache.clearcache()


@pytest.fixture
def golden():
    """Compares with the exact bytes of a file in ``tests/golden``."""

    def check(name, content):
        expected = (GOLDEN / name).read_bytes().decode()
        assert (content if isinstance(content, str) else content.decode()) == expected

    return check
