"""What is read again, and what stays because it cannot be: files packed, moved or cleaned away, and an older program."""

import gzip
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.errors import SourceError
from jobs.settings import REPOSITORY
from jobs.sources.contract import Source
from jobs.sources.ingest.fresh import Inputs, news, some, steady
from jobs.sources.ingest.reader import reader_version


class Feed:
    """A folder with two files that were read once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.source = folder, Source("app", "app_log", str(folder))
        (folder / "a").write_text("one\n")
        (folder / "b").write_text("two\n")
        first = self.news(None)
        assert first is not None
        self.old: Inputs = first

    def news(self, old: Inputs | None, force: bool = False) -> Inputs | None:
        files = sorted(str(path) for path in self.folder.iterdir())
        return news(old, self.source, files, "received on 2026-11-14", force)


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return Feed(tmp_path)


def test_what_has_not_changed_stays_unless_it_is_forced(feed: Feed) -> None:
    assert feed.news(feed.old) is None
    assert feed.news(feed.old, force=True) is not None
    (feed.folder / "a").write_text("other\n")
    assert feed.news(feed.old) is not None


def test_a_file_that_is_gone_takes_nothing_with_it(feed: Feed) -> None:
    (feed.folder / "b").unlink()
    assert feed.news(feed.old) is None
    assert feed.news(feed.old, force=True) is None


@pytest.mark.parametrize("change", ["new", "changed"])
def test_what_is_gone_is_given_up_by_the_operator_alone(feed: Feed, change: str) -> None:
    (feed.folder / "b").unlink()
    (feed.folder / ("c" if change == "new" else "a")).write_text("three\n")
    with pytest.raises(SourceError, match=rf"received on 2026-11-14: {feed.folder}/b was read and is gone.*--force"):
        feed.news(feed.old)
    given_up = feed.news(feed.old, force=True)
    assert given_up is not None
    assert f"file|{feed.folder}/b" not in given_up


def test_a_file_that_was_packed_or_moved_is_not_gone(feed: Feed) -> None:
    (feed.folder / "b").rename(feed.folder / "moved")
    (feed.folder / "a.gz").write_bytes(gzip.compress((feed.folder / "a").read_bytes()))
    (feed.folder / "a").unlink()
    assert feed.news(feed.old) is not None


def test_another_program_is_told_of_and_reads_nothing_again(feed: Feed) -> None:
    older = {**feed.old, "reader|": "older"}
    assert feed.news(older) is None
    (feed.folder / "a").touch()
    assert feed.news(older) is None


def test_the_program_that_reads_a_format_is_known_by_what_it_does(tmp_path: Path) -> None:
    copy = tmp_path / "jobs" / "sources"
    shutil.copytree(REPOSITORY / "jobs" / "sources", copy)

    def version_after(file: str, old: str, new: str) -> str:
        text = (copy / file).read_text()
        assert old in text
        (copy / file).write_text(text.replace(old, new))
        reader_version.cache_clear()
        found = reader_version("app_log", tmp_path)
        (copy / file).write_text(text)
        return found

    now = reader_version("app_log", tmp_path)
    assert version_after("listening.py", '"""How far', '# a remark\n"""How very far') == now
    assert version_after("formats/kkbox_train.py", "bad_target", "worse_target") == now
    assert version_after("listening.py", "CLOCK_MINUTES = 10", "CLOCK_MINUTES = 11") != now
    assert version_after("parsing/plain_log.py", "LONG_LINE = 32", "LONG_LINE = 33") != now
    assert version_after("ingest/settle.py", "DAY_LIMIT = 10_000", "DAY_LIMIT = 9_999") != now


def test_many_names_are_told_in_short() -> None:
    assert some(["b", "a"]) == "a, b"
    assert some("edcba") == "a, b, c and 2 more"


def test_a_failure_because_of_a_damaged_parquet_page_names_the_file(feed: Feed) -> None:
    path = feed.folder / "t.parquet"
    pq.write_table(pa.table({"user": [f"u{n}" for n in range(10_000)]}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:1_000] + b"\xff" * 2_000 + whole[3_000:])
    assert pq.read_metadata(path).num_rows == 10_000
    with pytest.raises(SourceError, match=r"t\.parquet cannot be read to its end"), steady(feed.source, [str(path)]):
        pq.read_table(path)


@pytest.mark.parametrize("what", ["changed", "gone", "neither"])
def test_a_failure_because_of_a_file_that_changed_meanwhile_names_it(feed: Feed, what: str) -> None:
    def read() -> None:
        if what == "changed":
            (feed.folder / "b").write_text("two and more\n")
        if what == "gone":
            (feed.folder / "b").unlink()
        raise RuntimeError("a task failed")

    expected = RuntimeError if what == "neither" else SourceError
    said = "a task failed" if what == "neither" else "b was changed or taken away"
    with pytest.raises(expected, match=said), steady(feed.source, [str(feed.folder / name) for name in "ab"]):
        read()
