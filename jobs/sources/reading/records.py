"""CSV whose quoted fields may hold newlines: records that run over several lines, and the account of their lines.

A record is what Python's csv module makes of it. One that cannot be a record (a quote that nothing closes, a carriage
return amid a line) costs one line: the next line is tried as the start of another. So a stray quote in a file of
millions of lines rejects that line, not the rest of the file. Every record knows how many lines it took, and the lines
are counted by the second reader, which knows nothing of CSV.
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

from jobs.sources.layout import Fault, Layout
from jobs.sources.reading import raw
from jobs.sources.reading.lines import WHOLE, Cut, spread, with_half
from jobs.sources.reading.raw import text_of
from jobs.sources.reading.record_batches import Batch, Record, of_lines, of_records

MOST_LINES = 1_000
MOST_BYTES = 1 << 20
"""A record that goes on for more than either is taken for an open quote; biographies of FMA have some hundred lines."""
SLICE = 1_000
"""Records that go to Spark at a time: one of FMA's has several KB."""
WORTH_IT = 16 * 1024
"""Bytes of lines without quotes from which on they are taken at once."""
SCHEMA = "file string, line long, span long, number long, raw binary, text string, cells array<string>"
NAMES = [column.split()[0] for column in SCHEMA.split(", ")]


class _Feed:
    """Lines for csv.reader, with those of the record that it is about; they can be put back."""

    def __init__(self, path: str, cut: bool) -> None:
        self._pieces = raw.whole_lines(path, cut)
        self._piece, self._at = b"", 0
        self._tried = self._alone = 0
        self._back: deque[bytes] = deque()
        self.taken: list[bytes] = []
        self.line = 1
        self._bytes = 0
        self.cut = cut
        self.ran_out = False
        self.lost = False
        """The file is cut short within a record: the lines from its start on are no records, whatever they look like."""

    def end(self, keep: int) -> None:
        """The record at hand is the first `keep` of the taken lines; the others are put back."""
        self.line += keep
        self._back.extendleft(reversed(self.taken[keep:]))
        self.taken, self._bytes, self.ran_out = [], 0, False

    def more(self) -> bool:
        """Whether there is a line left."""
        if not self._back and self._at == len(self._piece):
            self._piece, self._at, self._tried, self._alone = next(self._pieces, b""), 0, 0, 0
        return bool(self._back) or self._at < len(self._piece)

    def several(self) -> bytes:
        """Whole lines from here on that may be records by themselves: first all of a piece, then those up to the next quote.

        None where these are too few to be worth it, or are among those that were tried in vain.
        """
        if self._back or self._at < self._alone:
            return b""
        quote = self._piece.find(b'"', self._at) if self._tried else -1
        self._tried = len(self._piece) if quote < 0 else max(self._at, self._piece.rfind(b"\n", self._at, quote) + 1)
        return self._piece[self._at : self._tried] if quote < 0 or self._tried - self._at >= WORTH_IT else b""

    def took(self, several: bool) -> None:
        """Whether what `several` gave was read; if not, and no quote was to blame, each of these lines is tried for itself."""
        if several:
            self.line += self._piece.count(b"\n", self._at, self._tried)
            self._at = self._tried
        elif self._piece.find(b'"', self._at, self._tried) < 0:
            self._alone = self._tried

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        # csv.reader asks for a line only at the start of a record and within quotes: to run out is an open quote.
        if len(self.taken) >= MOST_LINES or self._bytes > MOST_BYTES or not self.more():
            self.ran_out = True
            raise StopIteration
        return text_of(self.take()) + "\n"

    def take(self) -> bytes:
        """The next line, which is one of the record at hand."""
        if self._back:
            line = self._back.popleft()
        else:
            stop = self._piece.index(b"\n", self._at)
            line, self._at = self._piece[self._at : stop], stop + 1
        self.taken.append(line)
        self._bytes += len(line)
        return line


def records(path: str, mark: str = ",", cut: bool = False) -> Iterator[Record]:
    """The records of a plain or gzip file in order; their lines, put together, are the file's (`cut`: up to its cut)."""
    feed = _Feed(path, cut)
    for record in _records(feed, mark):
        yield record
        feed.end(len(record.lines))


def _records(feed: _Feed, mark: str) -> Iterator[Record]:
    """The record at the feed's place, time and again; the caller ends it."""
    reader = csv.reader(feed, delimiter=mark)
    while feed.more():
        if feed.lost:
            yield Record(feed.line, [feed.take()], None)
            continue
        try:
            cells = next(reader)
            good = not feed.ran_out
        except csv.Error:
            good = False
        if good:
            yield Record(feed.line, feed.taken, cells)
        else:
            reader = csv.reader(feed, delimiter=mark)
            feed.lost = feed.cut and feed.ran_out and not feed.more()
            yield Record(feed.line, feed.taken[:1], None)


def read_records(
    spark: SparkSession,
    files: Sequence[str],
    cut: Cut = WHOLE,
    *,
    header: str,
    mark: str = ",",
    tidy: bool = True,
) -> DataFrame:
    """One row per record: `file`, `line`, `span` (its lines), `number`, `raw`, `text`, `cells` (null: not CSV; see `cell`).

    `number` counts the file's records from 1, headers (first field = `header`) and empty lines left out: null for these.
    `tidy`: white space around fields is taken off, and line ends within them are spaces.
    """

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for path in batch["file"].to_pylist():
                yield from slices(path, header, mark, path in cut, tidy)

    return with_half(spread(spark, files).mapInArrow(read, SCHEMA), cut, F.col("line") + F.col("span") - 1)


def record_layout(header: str, width: int, *faults: Fault, columns: Mapping[str, Column], **more: Any) -> Layout:
    """How records of `width` fields under a header that starts with `header` are read; `more` as in Layout."""
    return Layout({"columns": F.size("cells")}, (*not_csv(width), *faults), columns, blank=header_row(header), **more)


def any_over_lines(path: str, cut: bool) -> bool:
    """Whether a file may have records of several lines: whether it has a line with an odd number of quotes."""
    for piece in raw.whole_lines(path, cut):
        content = np.frombuffer(piece, np.uint8)
        before_ends = np.searchsorted(np.flatnonzero(content == ord('"')), np.flatnonzero(content == ord("\n")))
        if (before_ends % 2).any():
            return True
    return False


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


def slices(path: str, header: str, mark: str = ",", cut: bool = False, tidy: bool = True) -> Iterator[pa.RecordBatch]:
    """A file's records in the columns of SCHEMA: one by one where a record has several lines, else all at once."""
    number = 0
    for batch in _batches(path, mark, cut, tidy):
        first = pc.equal(pc.list_element(batch["cells"], 0), header).fill_null(False)
        counts = ~pc.or_(first, pc.equal(batch["text"], "")).to_numpy(zero_copy_only=False)
        numbers = number + np.cumsum(counts)
        number = int(numbers[-1])
        whole = {"file": pa.repeat(path, len(counts)), "number": pa.array(numbers, pa.int64(), mask=~counts), **batch}
        yield pa.RecordBatch.from_pydict({name: whole[name] for name in NAMES})


def _batches(path: str, mark: str, cut: bool, tidy: bool) -> Iterator[Batch]:
    feed, some = _Feed(path, cut), list[Record]()
    one_by_one = _records(feed, mark)
    while feed.more():
        data = feed.several()
        batch = of_lines(feed.line, data, mark, tidy) if data else None
        if data:
            feed.took(several=batch is not None)
        if some and (batch is not None or len(some) == SLICE):
            yield of_records(some, tidy)
            some = []
        if batch is not None:
            yield batch
        else:
            some.append(next(one_by_one))
            feed.end(len(some[-1].lines))
    if some:
        yield of_records(some, tidy)
