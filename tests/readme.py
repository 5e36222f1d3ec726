"""Runs every ```sh command of README.md, as a newcomer would: `python tests/readme.py [test|nightly|...]`.

With a word, only the command blocks up to the next one matter: `test` runs the block with `make test`, `nightly` all others.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def commands(text: str) -> list[str]:
    """The lines of all sh blocks, in order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip() and not line.startswith("#")]


def main() -> int:
    """Run them; the first that fails ends it."""
    group = sys.argv[1] if len(sys.argv) > 1 else ""
    listed = commands((ROOT / "README.md").read_text())
    groups = {"test": [c for c in listed if c == "make test"], "nightly": [c for c in listed if c != "make test"]}
    chosen = groups.get(group, listed)
    if not chosen:
        print(f"README.md has no command for {group!r}", file=sys.stderr)
        return 1
    for command in chosen:
        print(f"$ {command}", flush=True)
        if code := subprocess.run(command, shell=True, cwd=ROOT, check=False).returncode:
            print(f"README's command failed with {code}: {command}", file=sys.stderr)
            return code
    if group != "test":
        return subprocess.run([sys.executable, "-c", python_block()], cwd=ROOT, check=False).returncode
    return 0


def python_block() -> str:
    """The analyst's example."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL))


if __name__ == "__main__":
    sys.exit(main())
