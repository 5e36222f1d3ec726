"""CSV records that span lines: which lines form a record, and that no line is lost."""

import gzip
import time
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


def test_single_line_records_are_converted_in_bulk_and_all_files_in_linear_time(tmp_path: Path) -> None:
    lines = {"plain": b"a,b", "quoted": b'a,"b"', "several": b'"a\nb",c', "latin-1": "ö,b".encode("latin-1")}
    took = {name: min(_seconds(tmp_path / name, line) for _ in range(3)) for name, line in lines.items()}
    assert took["plain"] * 3 < took["latin-1"], took
    assert took["quoted"] < took["latin-1"], took
    assert max(took.values()) < 5, took


def _seconds(file: Path, line: bytes) -> float:
    """Return CPU seconds for 50,000 records."""
    file.write_bytes((line + b"\n") * 50_000)
    start = time.process_time()
    assert sum(batch.num_rows for batch in csv_records.iter_batches(str(file), "id")) == 50_000
    return time.process_time() - start


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
