"""Every case in ``cases`` holds: what it marks is reported there, nothing else is, and no raw value is written."""

from pathlib import Path

import pytest
from run_cases import CASES, problems, run


@pytest.mark.parametrize("case", sorted(CASES.glob("*.py")), ids=lambda case: case.stem)
def test_a_case_is_judged_as_it_says(case: Path) -> None:
    assert problems(case, run(case)) == []
