"""Runs every `sh` block of the README from the checkout's folder, in order; stops at the first that fails."""

import re
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    blocks = BLOCK.findall((root / "README.md").read_text(encoding="utf-8"))
    if not blocks:
        print("README.md has no sh blocks")
        return 1
    for block in blocks:
        print(f"$ {block.strip()}", flush=True)
        status = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=root, check=False).returncode
        if status:
            print(f"exit {status}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
