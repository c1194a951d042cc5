"""What a help text consists of, and how it becomes Markdown: every rule explains itself in the same order."""

from __future__ import annotations

from dataclasses import dataclass

_SHAPE = """\
### What happened

{happened}

**Danger:** {danger}

### How it is graded

{grading}

### The defect

```python
{defect}
```

### The fix

```python
{fix}
```

### When it is fine

{fine}

{block}

For the whole app, in `rasp.toml` (in `pyproject.toml` the table is `[tool.rasp.rules]`):

```toml
[rules]
{name} = "observe"  # recorded and never raised; "off": not reported at all
```

For one test:

```python
import pytest


@pytest.mark.rasp_allow("{name}")
def test_it(client):
    ...
```

### Links

{links}
"""

_BLOCK = """\
Around the call that the finding names, with the reason:

```python
{allow}
```"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """The parts of one help text, each Markdown or Python without its fence.

    Attributes:
        summary: one sentence: what the rule finds.
        happened: what the app did.
        danger: what that can lead to.
        grading: which severity it gets, and why.
        defect: an app that has it.
        fix: the same app in its right form.
        fine: when the finding may stand.
        allow: the defect inside ``rasp.allow``.
        no_block: in place of ``allow``, where the finding is made outside the reach of any block: why.
        links: further reading, after the CWE.
    """

    summary: str
    happened: str
    danger: str
    grading: str
    defect: str
    fix: str
    fine: str
    allow: str = ""
    no_block: str = ""
    links: tuple[str, ...] = ()

    def markdown(self, name: str, *cwes: int) -> str:
        """The whole text for the rule ``name``; its headings are of the third level."""
        weaknesses = [f"CWE-{cwe}: https://cwe.mitre.org/data/definitions/{cwe}.html" for cwe in cwes]
        return _SHAPE.format(
            name=name,
            happened=self.happened.strip(),
            danger=self.danger.strip(),
            grading=self.grading.strip(),
            defect=self.defect.strip(),
            fix=self.fix.strip(),
            fine=self.fine.strip(),
            block=_BLOCK.format(allow=self.allow.strip()) if self.allow else self.no_block.strip(),
            links="\n".join(f"- {link}" for link in (*weaknesses, *self.links)),
        )
