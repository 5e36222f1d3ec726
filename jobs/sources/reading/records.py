"""CSV whose quoted fields may hold newlines: records that run over several lines, and the account of their lines.

A record is what Python's csv module makes of it. One that cannot be a record (a quote that nothing closes, a carriage
return amid a line) costs one line: the next line is tried as the start of another. So a stray quote in a file of
millions of lines rejects that line, not the rest of the file. Every record knows how many lines it took, and the lines
are counted by the second reader, which knows nothing of CSV.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.sources.layout import Fault, Layout
from jobs.sources.reading import raw
from jobs.sources.reading.lines import spread
from jobs.sources.reading.tables import text_of

MOST_LINES = 1_000
MOST_BYTES = 1 << 20
"""A record that goes on for more than either is taken for an open quote; biographies of FMA have some hundred lines."""
SLICE = 1_000
"""Records that go to Spark at a time: one of FMA's has several KB."""
LINE_END = re.compile(r"\s*[\r\n]\s*")
SCHEMA = "file string, line long, span long, number long, raw binary, text string, cells array<string>"


@dataclass(frozen=True)
class Record:
    """Some lines of a file that belong together."""

    line: int
    """1-based number of the first."""
    lines: list[bytes]
    cells: list[str] | None
    """The fields; None: the line is no CSV."""


class _Feed:
    """Lines for csv.reader, with those of the record that it is about; they can be put back."""

    def __init__(self, path: str, cut: bool) -> None:
        self._ahead = raw.lines(path, cut)
        self._back: deque[bytes] = deque()
        self.taken: list[bytes] = []
        self.line = 1
        self._bytes = 0
        self.ran_out = False

    def begin(self, keep: int) -> bool:
        """Start the next record after the first `keep` taken lines; False: the file has no more lines."""
        self.line += keep
        self._back.extendleft(reversed(self.taken[keep:]))
        self.taken, self._bytes, self.ran_out = [], 0, False
        if not self._back:
            self._back.extend(islice(self._ahead, 1))
        return bool(self._back)

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        # csv.reader asks for a line only at the start of a record and within quotes: to run out is an open quote.
        if len(self.taken) >= MOST_LINES or self._bytes > MOST_BYTES:
            self.ran_out = True
            raise StopIteration
        line = self._back.popleft() if self._back else next(self._ahead, None)
        if line is None:
            self.ran_out = True
            raise StopIteration
        self.taken.append(line)
        self._bytes += len(line)
        return text_of(line) + "\n"


def records(path: str, mark: str = ",", cut: bool = False) -> Iterator[Record]:
    """The records of a plain or gzip file in order; their lines, put together, are the file's (`cut`: up to its cut)."""
    feed = _Feed(path, cut)
    reader, keep = csv.reader(feed, delimiter=mark), 0
    while feed.begin(keep):
        try:
            cells = next(reader)
            good = not feed.ran_out
        except csv.Error:
            good = False
        if good:
            keep = len(feed.taken)
            yield Record(feed.line, feed.taken, cells)
        else:
            reader, keep = csv.reader(feed, delimiter=mark), 1
            yield Record(feed.line, feed.taken[:1], None)


def read_records(spark: SparkSession, files: Sequence[str], cut: frozenset[str] = frozenset(), *, header: str) -> DataFrame:
    """One row per record: `file`, `line`, `span` (its lines), `number`, `raw`, `text`, `cells` (null: not CSV; see `cell`).

    `number` counts the file's records from 1, headers (first field = `header`) and empty lines left out: null for these.
    """

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for path in batch["file"].to_pylist():
                yield from _slices(path, header, path in cut)

    return spread(spark, files).mapInArrow(read, SCHEMA)


def record_layout(header: str, width: int, *faults: Fault, columns: Mapping[str, Column], **more: Any) -> Layout:
    """How records of `width` fields under a header that starts with `header` are read; `more` as in Layout."""
    return Layout({"columns": F.size("cells")}, (*not_csv(width), *faults), columns, header_row(header), **more)


def not_csv(width: int) -> tuple[Fault, ...]:
    """What is wrong with a record that cannot be taken apart into `width` fields."""
    reason = "not a CSV record: a quote is not closed, a carriage return amid the line, or a field of over 128 KiB"
    return (
        Fault("not_csv", reason, F.col("cells").isNull()),
        Fault("fields", f"not {width} fields, by commas", F.size("cells") != width),
    )


def header_row(header: str) -> Column:
    """True for the records that `read_records` took for headers."""
    return F.get(F.col("cells"), 0) == header


def cell(index: int) -> Column:
    """A field of the record; null where empty."""
    return F.get(F.col("cells"), index)


def _slices(path: str, header: str, cut: bool) -> Iterator[pa.RecordBatch]:
    found, number = records(path, cut=cut), 0
    while some := list(islice(found, SLICE)):
        numbers: list[int | None] = []
        for record in some:
            counts = record.cells is None or (bool(_text(record)) and record.cells[0] != header)
            number += counts
            numbers.append(number if counts else None)
        yield _batch(path, some, numbers)


def _batch(path: str, some: list[Record], numbers: list[int | None]) -> pa.RecordBatch:
    columns = {
        "file": pa.array([path] * len(some), pa.string()),
        "line": pa.array([record.line for record in some], pa.int64()),
        "span": pa.array([len(record.lines) for record in some], pa.int64()),
        "number": pa.array(numbers, pa.int64()),
        "raw": pa.array([b"\n".join(record.lines) for record in some], pa.binary()),
        "text": pa.array([_text(record) for record in some], pa.string()),
        "cells": pa.array([_cells(record) for record in some], pa.list_(pa.string())),
    }
    return pa.RecordBatch.from_pydict(columns)


def _cells(record: Record) -> list[str | None] | None:
    """The fields without white space around them, line ends made spaces, None where empty."""
    if record.cells is None:
        return None
    whole = record.cells if len(record.lines) == 1 else [LINE_END.sub(" ", cell) for cell in record.cells]
    return [cell.strip() or None for cell in whole]


def _text(record: Record) -> str:
    """All that is asked of the text is whether the line is blank."""
    return "row" if any(line.strip(b" \t\r") for line in record.lines) else ""
