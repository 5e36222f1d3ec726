"""Real files for tests: where they lie, and what is said where one is missing. Nothing heavy is imported here.

A test calls `real("kkbox/train.csv")`. Where nobody supplied real data it is skipped, by the name of what it needs; where
somebody did and this file is not among it, it fails: what CI should read must not go missing unseen.
"""

import os
from pathlib import Path

import pytest

VARIABLE = "PMRS_REAL_DATA"
HOW = 'see "Real files for the tests" in docs/datasets.md'


def real(path: str) -> Path:
    """A file or folder of the real data, by its path in there. Skips the test without real data, fails it without this file."""
    given = os.environ.get(VARIABLE)
    if not given:
        pytest.skip(f"needs {path} of the real data: set {VARIABLE} to the folder that holds it; {HOW}")
    folder = Path(given)
    if not folder.is_dir():
        pytest.skip(f"needs {path} of the real data, but {VARIABLE} names {folder}, which is no folder; {HOW}")
    if not (folder / path).exists():
        pytest.fail(f"{path} is missing in {folder}, the folder of {VARIABLE}: put it there, or unset {VARIABLE}; {HOW}")
    return folder / path
