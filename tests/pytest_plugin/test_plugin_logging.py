"""pytest adds handlers of its own, which render what an app's handlers may mask or drop."""

from __future__ import annotations

pytest_plugins = ("pytester",)

MASKED = """
import io

class Masks(logging.Formatter):
    def format(self, record):
        return super().format(record).replace(KEY, "***")

class Drops(logging.Filter):
    def filter(self, record):
        return KEY not in record.getMessage()

@pytest.fixture
def handler():
    made = logging.StreamHandler(io.StringIO())
    log.addHandler(made)
    yield made
    log.removeHandler(made)

def test_masked_by_the_app(client, handler):
    handler.setFormatter(Masks())
    client.get("/logs", headers=HEADERS)
    assert handler.stream.getvalue() == "asked with ***\\n"

def test_dropped_by_the_app(client, handler):
    handler.addFilter(Drops())
    client.get("/logs", headers=HEADERS)
    assert handler.stream.getvalue() == ""

def test_below_the_apps_level(client, handler, caplog):
    handler.setLevel(logging.ERROR)
    client.get("/logs", headers=HEADERS)
    assert len(caplog.records) == 1
"""

WRITTEN = """
import io

@pytest.mark.parametrize("made", [logging.StreamHandler(io.StringIO()), logging.NullHandler(), None])
def test_written(client, made, monkeypatch):
    monkeypatch.setattr(log, "handlers", [] if made is None else [made])
    with pytest.raises(rasp.RawTokenLogged):
        client.get("/logs", headers=HEADERS)
"""


def test_what_the_app_masks_or_drops_is_no_exposure(project):
    project.tests(MASKED)
    project.run("--rasp=strict", "-p", "no:randomly").assert_outcomes(passed=3)


def test_what_it_writes_is_one_also_where_only_pytest_listens(project):
    project.tests(WRITTEN)
    project.run("--rasp=strict").assert_outcomes(passed=3)
