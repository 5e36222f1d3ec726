"""Which files are read again: packed, renamed and deleted files, and files read by an older program."""

import gzip
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.code_version import _syntax, code_version
from jobs.errors import SourceError
from jobs.settings import REPOSITORY
from jobs.sources.contract import Source
from jobs.sources.ingest.change_detection import Inputs, abbreviate, detect_changes, inputs_to_read
from jobs.sources.ingest.reader_version import reader_version


class Feed:
    """A folder with two files that were read once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.source = folder, Source("app", "app_log", str(folder))
        (folder / "a").write_text("one\n")
        (folder / "b").write_text("two\n")
        first = self.inputs_to_read(None)
        assert first is not None
        self.old: Inputs = first

    def inputs_to_read(self, old: Inputs | None, force: bool = False) -> Inputs | None:
        files = sorted(str(path) for path in self.folder.iterdir())
        return inputs_to_read(old, self.source, files, "received on 2026-11-14", force)


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return Feed(tmp_path)


def test_unchanged_files_are_read_again_only_with_force(feed: Feed) -> None:
    assert feed.inputs_to_read(feed.old) is None
    assert feed.inputs_to_read(feed.old, force=True) is not None
    (feed.folder / "a").write_text("other\n")
    assert feed.inputs_to_read(feed.old) is not None


def test_a_missing_file_alone_triggers_no_read(feed: Feed) -> None:
    (feed.folder / "b").unlink()
    assert feed.inputs_to_read(feed.old) is None
    assert feed.inputs_to_read(feed.old, force=True) is None


@pytest.mark.parametrize("change", ["new", "changed"])
def test_a_missing_and_a_changed_file_need_force(feed: Feed, change: str) -> None:
    (feed.folder / "b").unlink()
    (feed.folder / ("c" if change == "new" else "a")).write_text("three\n")
    with pytest.raises(SourceError, match=rf"received on 2026-11-14: {feed.folder}/b was read and no longer exists.*--force"):
        feed.inputs_to_read(feed.old)
    inputs = feed.inputs_to_read(feed.old, force=True)
    assert inputs is not None
    assert f"file|{feed.folder}/b" not in inputs


def test_a_packed_or_renamed_file_is_not_missing(feed: Feed) -> None:
    (feed.folder / "b").rename(feed.folder / "moved")
    (feed.folder / "a.gz").write_bytes(gzip.compress((feed.folder / "a").read_bytes()))
    (feed.folder / "a").unlink()
    assert feed.inputs_to_read(feed.old) is not None


def test_a_newer_program_or_a_touched_file_triggers_no_read(feed: Feed) -> None:
    older = {**feed.old, "reader|": "older"}
    assert feed.inputs_to_read(older) is None
    (feed.folder / "a").touch()
    assert feed.inputs_to_read(older) is None


def test_reader_version_changes_with_code_but_not_with_comments(tmp_path: Path) -> None:
    copy = tmp_path / "jobs" / "sources"
    shutil.copytree(REPOSITORY / "jobs" / "sources", copy)

    def version_after(file: str, old: str, new: str) -> str:
        text = (copy / file).read_text()
        assert old in text
        (copy / file).write_text(text.replace(old, new))
        code_version.cache_clear()
        _syntax.cache_clear()
        version = reader_version("app_log", tmp_path)
        (copy / file).write_text(text)
        return version

    now = reader_version("app_log", tmp_path)
    assert version_after("event_format.py", '"""An event may be', '# a remark\n"""Each event may be') == now
    assert version_after("formats/kkbox_train.py", "bad_target", "worse_target") == now
    assert version_after("event_format.py", "SKEW_MINUTES = 10", "SKEW_MINUTES = 11") != now
    assert version_after("parsing/app_log_fast_path.py", "LINE_BYTES = 32", "LINE_BYTES = 33") != now
    assert version_after("ingest/deduplicate.py", "USER_DAY = 10_000", "USER_DAY = 9_999") != now


def test_abbreviate_lists_three_names_and_counts_the_rest() -> None:
    assert abbreviate(["b", "a"]) == "a, b"
    assert abbreviate("edcba") == "a, b, c and 2 more"


def test_detect_changes_names_a_damaged_parquet_file(feed: Feed) -> None:
    path = feed.folder / "t.parquet"
    pq.write_table(pa.table({"user": [f"u{n}" for n in range(10_000)]}), path)
    content = path.read_bytes()
    path.write_bytes(content[:1_000] + b"\xff" * 2_000 + content[3_000:])
    assert pq.read_metadata(path).num_rows == 10_000
    with (
        pytest.raises(SourceError, match=r"t\.parquet cannot be read to its end"),
        detect_changes(feed.source, [str(path)]),
    ):
        pq.read_table(path)


@pytest.mark.parametrize("what", ["changed", "gone", "neither"])
def test_detect_changes_names_a_file_that_changed(feed: Feed, what: str) -> None:
    def read() -> None:
        if what == "changed":
            (feed.folder / "b").write_text("two and more\n")
        if what == "gone":
            (feed.folder / "b").unlink()
        raise RuntimeError("a task failed")

    expected = RuntimeError if what == "neither" else SourceError
    message = "a task failed" if what == "neither" else "b was changed or removed"
    with (
        pytest.raises(expected, match=message),
        detect_changes(feed.source, [str(feed.folder / name) for name in "ab"]),
    ):
        read()
