"""Where real data is missing, a test says what it needs; where only one file is, it does not pass that over."""

from pathlib import Path

import pytest

from jobs.settings import REPOSITORY
from tests.real_data import VARIABLE, real


def test_without_real_data_the_skip_names_the_file_and_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(pytest.skip.Exception, match=rf"kkbox/train\.csv.*set {VARIABLE}.*datasets\.md"):
        real("kkbox/train.csv")


def test_a_folder_that_is_not_there_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    with pytest.raises(pytest.fail.Exception, match=rf"{VARIABLE} names .*none, which is no folder.*datasets\.md"):
        real("kkbox/train.csv")


def test_a_file_that_is_missing_among_real_data_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match=rf"kkbox/train\.csv is missing in {tmp_path}"):
        real("kkbox/train.csv")
    (tmp_path / "kkbox").mkdir()
    (tmp_path / "kkbox" / "train.csv").touch()
    assert real("kkbox/train.csv") == tmp_path / "kkbox" / "train.csv"


def test_no_test_looks_for_real_data_by_itself() -> None:
    own = {"real_data.py", "conftest.py"}
    files = [path for path in (REPOSITORY / "tests").rglob("*.py") if path.name not in own]
    assert not [path for path in files if "PMRS_REAL" + "_DATA" in path.read_text()]
