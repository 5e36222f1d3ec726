"""Real files for tests. Nothing heavy is imported here.

A test calls `real("kkbox/train.csv")`. Without real data it is skipped, with the name of the file that it needs: the
files must not be redistributed, so a checkout alone cannot have them. If a folder is configured and it or the file is
missing, the test fails, because CI must not silently stop reading it.
"""

import os
from pathlib import Path

import pytest

VARIABLE = "PMRS_REAL_DATA"
HOW = 'see "Real files for the tests" in docs/datasets.md'


def real(path: str) -> Path:
    """Return a file or folder of the real data by its relative path. Skips the test without real data; fails if the
    path is missing.
    """
    root = os.environ.get(VARIABLE)
    if not root:
        pytest.skip(f"needs {path} of the real data: set {VARIABLE} to the folder that holds it; {HOW}")
    folder = Path(root)
    if not folder.is_dir():
        pytest.fail(f"{VARIABLE} names {folder}, which is no folder: correct it, or unset it; {HOW}")
    if not (folder / path).exists():
        pytest.fail(f"{path} is missing in {folder}, the folder of {VARIABLE}: put it there, or unset {VARIABLE}; {HOW}")
    return folder / path
