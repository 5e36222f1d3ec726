"""Read CSV whose quoted fields may contain newlines: records that span several lines.

A record is what Python's csv module parses. A line that cannot start a record (an open quote, a carriage return inside
a line) is rejected alone, and the next line is tried as a start. So a stray quote rejects one line, not the rest of the
file. Every record knows its number of lines, which the independent counter verifies without a CSV parser.
"""

import csv
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.sources.line_format import LineFormat, Rule
from jobs.sources.reading import raw_bytes
from jobs.sources.reading.csv_batches import ColumnBatch, CsvRecord, batch_from_lines, batch_from_records
from jobs.sources.reading.lines import NONE_TRUNCATED, TruncatedFiles, distribute_files, mark_truncated_lines
from jobs.sources.reading.raw_bytes import decode_line

MAX_RECORD_LINES = 1_000
MAX_RECORD_BYTES = 1 << 20
"""A record that exceeds either limit has an open quote. FMA's biographies have some hundred lines."""
BATCH_RECORDS = 1_000
"""Records per batch for Spark: one of FMA's has several KB."""
MIN_BULK_BYTES = 16 * 1024
"""Minimum size of lines without quotes that are converted in bulk."""
SCHEMA = "file string, line long, n_lines long, number long, raw binary, text string, cells array<string>"
NAMES = [column.split()[0] for column in SCHEMA.split(", ")]


class _LineFeed:
    """Lines of a file for csv.reader. Keeps the lines of the current record, and can put lines back."""

    def __init__(self, path: str, truncated: bool) -> None:
        self._blocks = raw_bytes.iter_line_blocks(path, truncated)
        self._block, self._offset = b"", 0
        self._bulk_end = self._single_until = 0
        self._put_back: deque[bytes] = deque()
        self.record_lines: list[bytes] = []
        self.line = 1
        self._record_bytes = 0
        self.truncated = truncated
        self.exhausted = False
        self.in_truncated_record = False
        """The file is truncated within a record: the lines from its start on are rejected."""

    def finish_record(self, n_lines: int) -> None:
        """End the current record after its first `n_lines` lines and put the other lines back."""
        self.line += n_lines
        self._put_back.extendleft(reversed(self.record_lines[n_lines:]))
        self.record_lines, self._record_bytes, self.exhausted = [], 0, False

    def has_lines(self) -> bool:
        """Load the next block if necessary; return whether a line is left."""
        if not self._put_back and self._offset == len(self._block):
            self._block, self._offset, self._bulk_end, self._single_until = next(self._blocks, b""), 0, 0, 0
        return bool(self._put_back) or self._offset < len(self._block)

    def next_bulk(self) -> bytes:
        """Return lines that may each be a record: first the rest of a block, then the lines up to the next quote.

        Returns nothing if there are too few of them, or if they were tried before without success.
        """
        if self._put_back or self._offset < self._single_until:
            return b""
        quote = self._block.find(b'"', self._offset) if self._bulk_end else -1
        self._bulk_end = (
            len(self._block) if quote < 0 else max(self._offset, self._block.rfind(b"\n", self._offset, quote) + 1)
        )
        return (
            self._block[self._offset : self._bulk_end]
            if quote < 0 or self._bulk_end - self._offset >= MIN_BULK_BYTES
            else b""
        )

    def finish_bulk(self, converted: bool) -> None:
        """Record whether the lines of `next_bulk` were converted.

        If they were not, and they have no quote, each of them is parsed as a single record.
        """
        if converted:
            self.line += self._block.count(b"\n", self._offset, self._bulk_end)
            self._offset = self._bulk_end
        elif self._block.find(b'"', self._offset, self._bulk_end) < 0:
            self._single_until = self._bulk_end

    def __iter__(self) -> "_LineFeed":
        return self

    def __next__(self) -> str:
        # csv.reader reads a line only at the start of a record and within quotes: no more lines means an open quote
        if len(self.record_lines) >= MAX_RECORD_LINES or self._record_bytes > MAX_RECORD_BYTES or not self.has_lines():
            self.exhausted = True
            raise StopIteration
        return decode_line(self.take_line()) + "\n"

    def take_line(self) -> bytes:
        """Return the next line and add it to the current record."""
        if self._put_back:
            line = self._put_back.popleft()
        else:
            stop = self._block.index(b"\n", self._offset)
            line, self._offset = self._block[self._offset : stop], stop + 1
        self.record_lines.append(line)
        self._record_bytes += len(line)
        return line


def iter_records(path: str, separator: str = ",", truncated: bool = False) -> Iterator[CsvRecord]:
    """Yield the records of a plain or gzip file in order. Together their lines are those of the file.

    With `truncated`, read up to the truncation.
    """
    feed = _LineFeed(path, truncated)
    for record in _iter_feed(feed, separator):
        yield record
        feed.finish_record(len(record.lines))


def _iter_feed(feed: _LineFeed, separator: str) -> Iterator[CsvRecord]:
    """Yield the record at the feed's position, repeatedly; the caller ends each record."""
    reader = csv.reader(feed, delimiter=separator)
    while feed.has_lines():
        if feed.in_truncated_record:
            yield CsvRecord(feed.line, [feed.take_line()], None)
            continue
        try:
            cells = next(reader)
            good = not feed.exhausted
        except csv.Error:
            good = False
        if good:
            yield CsvRecord(feed.line, feed.record_lines, cells)
        else:
            reader = csv.reader(feed, delimiter=separator)
            feed.in_truncated_record = feed.truncated and feed.exhausted and not feed.has_lines()
            yield CsvRecord(feed.line, feed.record_lines[:1], None)


def read_records(
    spark: SparkSession,
    files: Sequence[str],
    truncated: TruncatedFiles = NONE_TRUNCATED,
    *,
    header: str,
    separator: str = ",",
    strip: bool = True,
) -> DataFrame:
    """Read one row per record: `file`, `line`, `n_lines`, `number`, `raw`, `text` and `cells` (null: not CSV; see
    `cell`).

    `number` counts the file's records from 1; it is null for headers (first field = `header`) and empty lines, which do
    not count. With `strip`, white space around fields is removed, and line ends within them become spaces.
    """

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for path in batch["file"].to_pylist():
                yield from iter_batches(path, header, separator, path in truncated, strip)

    records = distribute_files(spark, files).mapInArrow(read, SCHEMA)
    return mark_truncated_lines(records, truncated, F.col("line") + F.col("n_lines") - 1)


def csv_line_format(
    header: str, width: int, *rules: Rule, columns: Mapping[str, Column], **has_lines: Any
) -> LineFormat:
    """Return the line format of records with `width` fields, below a header that starts with `header`.

    `has_lines`: further fields of LineFormat.
    """
    return LineFormat(
        {"columns": F.size("cells")}, (*csv_rules(width), *rules), columns, is_blank=is_header(header), **has_lines
    )


def has_multiline_records(path: str, truncated: bool) -> bool:
    """Return whether records may span lines: whether a line has an odd number of quotes."""
    for piece in raw_bytes.iter_line_blocks(path, truncated):
        content = np.frombuffer(piece, np.uint8)
        before_ends = np.searchsorted(np.flatnonzero(content == ord('"')), np.flatnonzero(content == ord("\n")))
        if (before_ends % 2).any():
            return True
    return False


def csv_rules(width: int) -> tuple[Rule, ...]:
    """Return the rules for a record that cannot be parsed into `width` fields."""
    reason = "not a CSV record: an open quote, a carriage return inside the line, or a field of more than 128 KiB"
    return (
        Rule("not_csv", reason, F.col("cells").isNull()),
        Rule("fields", f"not {width} comma-separated fields", F.size("cells") != width),
    )


def is_header(header: str) -> Column:
    """Return true for records that `read_records` treats as headers."""
    return F.get(F.col("cells"), 0) == header


def cell(index: int) -> Column:
    """Return a field of the record; null where empty."""
    return F.get(F.col("cells"), index)


def iter_batches(
    path: str, header: str, separator: str = ",", truncated: bool = False, strip: bool = True
) -> Iterator[pa.RecordBatch]:
    """Yield a file's records in the columns of SCHEMA. Blocks without multi-line records are converted in bulk."""
    number = 0
    for batch in _iter_column_batches(path, separator, truncated, strip):
        first = pc.equal(pc.list_element(batch["cells"], 0), header).fill_null(False)
        counts = ~pc.or_(first, pc.equal(batch["text"], "")).to_numpy(zero_copy_only=False)
        numbers = number + np.cumsum(counts)
        number = int(numbers[-1])
        record_columns = {
            "file": pa.repeat(path, len(counts)),
            "number": pa.array(numbers, pa.int64(), mask=~counts),
            **batch,
        }
        yield pa.RecordBatch.from_pydict({name: record_columns[name] for name in NAMES})


def _iter_column_batches(path: str, separator: str, truncated: bool, strip: bool) -> Iterator[ColumnBatch]:
    feed, records = _LineFeed(path, truncated), list[CsvRecord]()
    single_records = _iter_feed(feed, separator)
    while feed.has_lines():
        data = feed.next_bulk()
        batch = batch_from_lines(feed.line, data, separator, strip) if data else None
        if data:
            feed.finish_bulk(converted=batch is not None)
        if records and (batch is not None or len(records) == BATCH_RECORDS):
            yield batch_from_records(records, strip)
            records = []
        if batch is not None:
            yield batch
        else:
            records.append(next(single_records))
            feed.finish_record(len(records[-1].lines))
    if records:
        yield batch_from_records(records, strip)
