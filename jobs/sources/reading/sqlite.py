"""Formats that are tables of a SQLite file: read-only, in ranges of rowid on the executors, a row of theirs as a line.

A damaged row is rejected by its rowid; a file that is no SQLite or lacks a table or column stops the night by its name, and
so does one whose pages cannot be followed. Journals beside the file (-wal) are left unread: close the database first.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pandas as pd
from pyspark.sql import SparkSession

from jobs.errors import SourceError
from jobs.lake.schemas import table as lake_table
from jobs.sources.base import Snapshot
from jobs.sources.contract import Parsed, Source
from jobs.sources.reading.files import listing
from jobs.sources.reading.lines import count_by
from jobs.sources.reading.raw import text_of
from jobs.sources.reading.raw_sqlite import count_rows, row_ids
from jobs.sources.reading.whole_files import as_parsed_rows, read_parts, reject

SUFFIXES = frozenset({".db", ".sqlite", ".sqlite3"})
SLICE, SLICE_BYTES = 10_000, 4 * 1024**2
"""Rows fetched at a time: fewer where they are long."""
RANGE = 50_000
"""Rowids of one task at least."""
VALUE_BYTES = 16 * 1024**2
"""A longer text is a damaged row."""
SQLITE_FAULTS = (sqlite3.Error, OverflowError)
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Query:
    """One table of the file whose rows are lines."""

    table: str
    columns: frozenset[str]
    """What it must have."""
    select: str
    """What is read of each row `r`, its rowid first; ends so that WHERE can follow."""
    frame: Callable[[Sequence[Row], str], Iterator[pd.DataFrame]]
    """Rows (rowid and values) and the id prefix in; frames as whole_files.ReadFile describes, `line` being the rowid."""


@dataclass(frozen=True)
class SqliteSnapshot(Snapshot):
    """A format of SQLite files that is read whole each night: all that differs is which tables it has and what a row means."""

    table: str
    queries: tuple[Query, ...]
    others: tuple[tuple[str, frozenset[str]], ...] = ()
    """Further tables, with their columns, that a query joins."""

    def files(self, source: Source) -> list[str]:
        """The file, or every .db, .sqlite and .sqlite3 under the folder. Raises SourceError for a file of another kind."""
        found = listing(source, SUFFIXES)
        wanted = [*((query.table, query.columns) for query in self.queries), *self.others]
        for path in found:
            try:
                with closing(connect(path)) as database:
                    for name, columns in wanted:
                        _require(database, name, columns)
            except (*SQLITE_FAULTS, ValueError) as error:
                raise SourceError(f"Source {source.name}: {path} is no database of this kind: {error}.") from None
        return found

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """Rows of the tables by the second reader."""
        names = [query.table for query in self.queries]
        return count_by(spark, files, lambda path: sum(count_rows(path, _root(path, name)) for name in names))

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """The tables' rows, many ranges at a time."""
        prefix, queries = source.prefix, self.queries
        tasks = 4 * spark.sparkContext.defaultParallelism
        ranges = [(path, n, *cut) for path in files for n, q in enumerate(queries) for cut in _ranges(path, q.table, tasks)]
        parts = spark.createDataFrame(ranges, "file string, query int, first long, last long")

        def read(path: str, query: int, first: int, last: int) -> Iterator[pd.DataFrame]:
            yield from read_range(path, queries[query], first, last, prefix)

        lake = lake_table(self.table)
        return as_parsed_rows(read_parts(parts.repartition(max(1, len(ranges))), lake.schema, read), lake)


def connect(path: str) -> sqlite3.Connection:
    """The file, read-only and as it lies there; text as UTF-8, else latin-1. Raises sqlite3.Error."""
    database = sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)
    database.text_factory = text_of
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES)
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA cell_size_check = ON")
    return database


def read_range(path: str, query: Query, first: int, last: int, prefix: str) -> Iterator[pd.DataFrame]:
    """Frames of the rows with these rowids, both included; after a damaged place, row by row. Never raises for what they hold."""
    done = first - 1
    try:
        with closing(connect(path)) as database:
            rows = database.execute(f"{query.select} WHERE r.rowid BETWEEN ? AND ? ORDER BY r.rowid", (first, last))
            for batch in _batched(rows):
                yield from query.frame(batch, prefix)
                done = batch[-1][0]
    except SQLITE_FAULTS:
        try:
            yield from _one_by_one(path, query, done + 1, last, prefix)
        except (*SQLITE_FAULTS, OSError) as error:
            yield reject("damaged", f"the table {query.table} cannot be read any further: {error}")


def _batched(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch, size = list[Row](), 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(batch) == SLICE or size > SLICE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _one_by_one(path: str, query: Query, first: int, last: int, prefix: str) -> Iterator[pd.DataFrame]:
    """The rows that the second reader finds, each asked for alone: those that SQLite does not give are rejected."""
    with closing(connect(path)) as database:
        for number in row_ids(path, _root(path, query.table)):
            if not first <= number <= last:
                continue
            try:
                rows = database.execute(f"{query.select} WHERE r.rowid = ?", (number,)).fetchall()
                fault = "SQLite does not find it by its rowid"
            except SQLITE_FAULTS as error:
                rows, fault = [], str(error)
            if rows:
                yield from query.frame(rows[:1], prefix)
            else:
                yield reject("damaged", f"the row of table {query.table} cannot be read: {fault}", [number])


def _require(database: sqlite3.Connection, name: str, columns: frozenset[str]) -> None:
    """Raise ValueError unless this is a plain table with these columns: a view could compute for ever."""
    kind = database.execute("SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)).fetchone()
    if not kind or not kind[0]:
        raise ValueError(f"it has no table {name}")
    found = {row[1] for row in database.execute(f'PRAGMA table_info("{name}")')}
    if absent := sorted(columns - found):
        raise ValueError(f"its table {name} has no column {absent[0]}")
    database.execute(f'SELECT rowid FROM "{name}" LIMIT 1').fetchall()


def _root(path: str, name: str) -> int:
    """Number of the table's first page; read errors as OSError, which the callers name the file with."""
    try:
        with closing(connect(path)) as database:
            return int(database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0])
    except (*SQLITE_FAULTS, TypeError) as error:
        raise OSError(str(error)) from None


def _ranges(path: str, name: str, tasks: int) -> list[tuple[int, int]]:
    """The table's rowids cut into ranges, first and last of each."""
    try:
        with closing(connect(path)) as database:
            first, last = database.execute(f'SELECT min(rowid), max(rowid) FROM "{name}"').fetchone()
    except SQLITE_FAULTS:
        return [(-(2**63), 2**63 - 1)]  # damaged: one range, in which each row finds its fault
    if first is None:
        return []
    step = max(RANGE, -(-(last - first + 1) // tasks))
    return [(start, min(start + step - 1, last)) for start in range(first, last + 1, step)]


def framed(
    rows: Iterable[Row], columns: Sequence[str], *rules: tuple[str, str, Callable[[Row], Any]]
) -> Iterator[pd.DataFrame]:
    """Frames of rows (rowid and values): those that break no rule under the names of `columns`, the others rejected.

    `rules`: name, reason, and what is true of the values of a row that keeps it; the first that a row breaks is its own.
    """
    good, bad = [], dict[tuple[str, str], list[int]]()
    for row in rows:
        broken = next(((rule, reason) for rule, reason, kept in rules if not kept(row[1:])), None)
        if broken:
            bad.setdefault(broken, []).append(row[0])
        else:
            good.append(row)
    for (rule, reason), numbers in bad.items():
        yield reject(rule, reason, numbers)
    if good:
        yield pd.DataFrame(good, columns=["line", *columns])


def text(value: Any) -> str | None:
    """A value of any of SQLite's types as text, spaces around it off; null and the empty text as None."""
    if value is None:
        return None
    return (text_of(value) if isinstance(value, bytes) else str(value)).strip() or None
