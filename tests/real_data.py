"""Real files for tests: where they lie, and what is said where one is missing. Nothing heavy is imported here.

A test calls `real("kkbox/train.csv")`. Where nobody supplied real data it is skipped, by the name of what it needs: the files may
not be passed on, so a checkout alone cannot have them. Where somebody named a folder and it or this file is missing, the
test fails: what CI should read must not go missing unseen.
"""

import os
from pathlib import Path

import pytest

VARIABLE = "PMRS_REAL_DATA"
HOW = 'see "Real files for the tests" in docs/datasets.md'


def real(path: str) -> Path:
    """A file or folder of the real data, by its path in there. Skips the test where none is named, fails it where that lacks it."""
    given = os.environ.get(VARIABLE)
    if not given:
        pytest.skip(f"needs {path} of the real data: set {VARIABLE} to the folder that holds it; {HOW}")
    folder = Path(given)
    if not folder.is_dir():
        pytest.fail(f"{VARIABLE} names {folder}, which is no folder: correct it, or unset it; {HOW}")
    if not (folder / path).exists():
        pytest.fail(f"{path} is missing in {folder}, the folder of {VARIABLE}: put it there, or unset {VARIABLE}; {HOW}")
    return folder / path
