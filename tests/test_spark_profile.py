"""A night gets the small Spark profile for few bytes of sources and few rows in the lake, on a local master only."""

from pathlib import Path

import pytest

from jobs.settings import Settings
from jobs.spark_profile import ROW_BYTES, SMALL_BYTES, SparkProfile, choose_profile

SMALL, LOCAL, CLUSTER = SparkProfile.SMALL, SparkProfile.LOCAL, SparkProfile.CLUSTER


def source(folder: Path, name: str, size: int) -> str:
    """Make a file of this size, without writing its bytes."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.truncate(size)
    return str(file.parent)


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("a.jsonl", 1_000, SMALL),
        ("a.jsonl", SMALL_BYTES + 1, LOCAL),
        ("a.jsonl.gz", SMALL_BYTES // 8 + 1, LOCAL),
        ("a.wav", SMALL_BYTES + 1, SMALL),
    ],
)
def test_bytes_of_sources_decide_on_a_local_master(tmp_path: Path, name: str, size: int, expected: SparkProfile) -> None:
    assert choose_profile(Settings(master="local[2]"), [source(tmp_path, name, size)]) == expected


def test_files_of_a_linked_folder_count(tmp_path: Path) -> None:
    large = source(tmp_path / "elsewhere", "a.jsonl", SMALL_BYTES + 1)
    inbox = Path(source(tmp_path / "inbox", "b.jsonl", 1))
    (inbox / "linked").symlink_to(large)
    (inbox / "loop").symlink_to(inbox)
    assert choose_profile(Settings(master="local[2]"), [str(inbox)]) == LOCAL


def test_rows_of_earlier_nights_count(tmp_path: Path) -> None:
    path, settings = source(tmp_path, "a.jsonl", 1_000), Settings(master="local[2]")
    assert choose_profile(settings, [path], lake_rows=1_000) == SMALL
    assert choose_profile(settings, [path], lake_rows=SMALL_BYTES // ROW_BYTES + 1) == LOCAL


def test_a_missing_path_counts_as_large(tmp_path: Path) -> None:
    assert choose_profile(Settings(master="local[2]"), [str(tmp_path / "gone")]) == LOCAL
    assert choose_profile(Settings(master="local[2]"), []) == LOCAL


@pytest.mark.parametrize("master", ["spark://host:7077", "yarn", "k8s://https://host", "local-cluster[2,1,1024]"])
def test_a_cluster_gets_the_settings_of_the_cluster(tmp_path: Path, master: str) -> None:
    path = source(tmp_path, "a.jsonl", 1_000)
    assert choose_profile(Settings(master=master), [path]) == CLUSTER
    assert choose_profile(Settings(master=master, spark_profile="small"), [path]) == SMALL
