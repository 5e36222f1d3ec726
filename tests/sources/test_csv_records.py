"""CSV records that span lines: which lines form a record, and that no line is lost."""

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.sources.reading import csv_records, raw_bytes
from jobs.sources.reading.csv_batches import CsvRecord, batch_from_records


def read(path: Path, content: bytes) -> list[CsvRecord]:
    path.write_bytes(content)
    return list(csv_records.iter_records(str(path)))


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.lists(
        st.one_of(st.binary(max_size=4), st.sampled_from([b'"', b'""', b",", b"\n", b"\r\n", b"a"])), max_size=40
    )
)
def test_records_have_every_line_of_the_file_once(tmp_path: Path, content: list[bytes]) -> None:
    records = read(tmp_path / "any.csv", b"".join(content))
    assert [line for record in records for line in record.lines] == list(
        raw_bytes.iter_lines(str(tmp_path / "any.csv"))
    )
    starts = [1 + sum(len(record.lines) for record in records[:index]) for index in range(len(records))]
    assert [record.line for record in records] == starts


def test_lines_of_the_record_at_a_truncation_are_rejected(tmp_path: Path) -> None:
    path, head, open_record = (
        tmp_path / "a.csv.gz",
        b"u,t,note\nu1,t1,fine\n",
        b'u1,t2,"he said\nu9,EVIL,fine\nand so on u8',
    )
    # stored without compression, so that the truncation is at an exact offset; without the checksum at the end
    path.write_bytes(gzip.compress(head + open_record, 0)[:-8])
    records = [(record.line, record.cells) for record in csv_records.iter_records(str(path), truncated=True)]
    assert records == [(1, ["u", "t", "note"]), (2, ["u1", "t1", "fine"]), (3, None), (4, None), (5, None)]


PIECES = [b'"', b'""', b",", b"\n", b"\n", b"\r\n", b"\r", b"a", b" ", b"id", "ö".encode(), b"\xf6", b"\x00"]


@settings(
    max_examples=500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.lists(st.sampled_from(PIECES), max_size=60), chunk=st.integers(1, 40), min_bulk=st.integers(1, 20))
def test_bulk_and_single_conversion_give_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: list[bytes], chunk: int, min_bulk: int
) -> None:
    file = tmp_path / "any.csv"
    alone = read(file, b"".join(content))
    with monkeypatch.context() as small:
        small.setattr(raw_bytes, "CHUNK_BYTES", chunk)
        small.setattr(csv_records, "MIN_BULK_BYTES", min_bulk)
        records = [row for batch in csv_records.iter_batches(str(file), "id") for row in batch.to_pylist()]
    expected = pa.RecordBatch.from_pydict(batch_from_records(alone)).to_pylist()
    assert [{name: row[name] for name in ("line", "n_lines", "raw", "text", "cells")} for row in records] == expected
    counted = [row["number"] for row in records if row["text"] and (row["cells"] or [None])[0] != "id"]
    assert counted == list(range(1, len(counted) + 1))
    assert sum(row["number"] is not None for row in records) == len(counted)


@pytest.mark.parametrize(
    ("line", "read_singly"), [(b"a,b", 0), (b'a,"b"', 0), (b'"a\nb",c', 10_000), ("ö,b".encode("latin-1"), 5_000)],
    ids=["plain", "quoted", "several lines", "latin-1"],
)  # fmt: skip
def test_single_line_records_are_converted_in_bulk_and_bytes_are_tried_only_once_or_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, read_singly: int
) -> None:
    file, feed, singles, tried = tmp_path / "any.csv", csv_records._LineFeed, [0], [0]
    file.write_bytes((line + b"\n") * 5_000)
    take_line, next_bulk = feed.take_line, feed.next_bulk

    def count_line(self: csv_records._LineFeed) -> bytes:
        singles[0] += 1
        return take_line(self)

    def count_bytes(self: csv_records._LineFeed) -> bytes:
        block = next_bulk(self)
        tried[0] += len(block)
        return block

    monkeypatch.setattr(feed, "take_line", count_line)
    monkeypatch.setattr(feed, "next_bulk", count_bytes)
    assert sum(batch.num_rows for batch in csv_records.iter_batches(str(file), "id")) == 5_000
    assert singles[0] == read_singly
    assert tried[0] <= 2 * file.stat().st_size


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        (b'a,"b,c"\r\n"d ""e"""', [["a", "b,c"], ['d "e"']]),
        (b'1,"two\nlines",3\n4,,6\n', [["1", "two\nlines", "3"], ["4", "", "6"]]),
        # a quote inside a field is a character; an open quote rejects its line only
        (b'7" single,x\ny,z\n', [['7" single', "x"], ["y", "z"]]),
        (b'1,"open\n2,b\n3,c', [None, ["2", "b"], ["3", "c"]]),
        (b"a\rb,c\nd,e\n", [None, ["d", "e"]]),
        ("Björk,x\n".encode("latin-1") + "Björk,y\n".encode(), [["Björk", "x"], ["Björk", "y"]]),
        (b"a,\x00\n\n", [["a", "\x00"], []]),
        (b"", []),
    ],
)
def test_records_follow_the_csv_module(tmp_path: Path, content: bytes, cells: list[list[str] | None]) -> None:
    assert [record.cells for record in read(tmp_path / "some.csv", content)] == cells


def test_an_open_quote_rejects_one_line_of_a_long_file(tmp_path: Path) -> None:
    lines = [b'1,"open', *[b"%d,x" % number for number in range(2, 2_500)], b'9,"closed"']
    records = read(tmp_path / "long.csv", b"\n".join(lines))
    assert [record.line for record in records if record.cells is None] == [1]
    assert len(records) == len(lines)
    assert records[-1].cells == ["9", "closed"]


def test_a_field_too_large_for_the_csv_module_rejects_its_line(tmp_path: Path) -> None:
    records = read(tmp_path / "wide.csv", b"a," + b"x" * 200_000 + b"\nb,c\n")
    assert [record.cells for record in records] == [None, ["b", "c"]]
