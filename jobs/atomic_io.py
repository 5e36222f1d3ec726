"""Small files of VAR that appear whole or not at all."""

import os
from pathlib import Path


def write_whole(target: Path, text: str) -> None:
    """Write aside and rename, so that nobody reads half of it; folders that are missing are made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_suffix(".part")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, target)
