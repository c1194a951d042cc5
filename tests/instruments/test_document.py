"""The page about the libraries is the generated one, tells of every instrument, and needs none of the libraries."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rasp.instruments.document import document, entries
from rasp.instruments.registry import ROWS

PAGE = Path(__file__).parents[2] / "docs" / "libraries.md"
NATIVE = ["ctypes", "cffi", "extension_modules", "deep_mode"]


@pytest.fixture(scope="module")
def found():
    return list(entries())


def test_the_page_in_the_repository_is_the_generated_one():
    told = "run python -m rasp.instruments.document > docs/libraries.md"
    assert PAGE.read_text(encoding="utf-8") == document(), told


def test_every_instrument_is_on_it_in_the_order_of_the_registry(found):
    assert [one.name for one in found] == [*(row.name for row in ROWS), *NATIVE]
    headings = re.findall(r"^## (.+)$", document(), re.MULTILINE)
    assert headings == [one.name for one in found]


def test_every_instrument_says_what_it_sees_waits_for_and_which_versions(found):
    for one in found:
        assert re.search(r"\w.*[.:]", one.seen), one.name
        assert "``" not in one.seen, one.name
        assert one.modules, one.name
        assert one.library, one.name
        assert re.fullmatch(r"(>=\d+(\.\d+)*)(,<\d+(\.\d+)*)?", one.supported), one.name
        assert all("\n" not in what for what in one.unreachable), one.name


def test_every_link_of_the_table_leads_to_a_section():
    page = document()
    sections = {heading.lower().replace(".", "") for heading in re.findall(r"^## (.+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) == sections


def test_it_is_made_without_importing_one_of_the_libraries():
    libraries = {module.partition(".")[0] for row in ROWS for module in row.modules} - set(sys.stdlib_module_names)
    script = f"import sys, rasp.instruments.document as page; page.document(); print({libraries} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "set()\n"
