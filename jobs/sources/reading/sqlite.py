"""Base of formats that read tables of a SQLite file: read-only, in ranges of rowids on the executors; one row is one
line.

A damaged row is rejected by its rowid. A file that is not SQLite, lacks a table or column, or has unreadable pages
stops the night. Journals beside the file (-wal) are not read: close the database first.
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
from jobs.sources.base import SnapshotFormat
from jobs.sources.contract import Parsed, Source
from jobs.sources.reading.files import list_files
from jobs.sources.reading.independent_counts.sqlite_rows import count_rows, row_ids
from jobs.sources.reading.lines import count_files
from jobs.sources.reading.python_readers import parsed_from_frames, read_parts, rejected_frame
from jobs.sources.reading.raw_bytes import decode_line

SUFFIXES = frozenset({".db", ".sqlite", ".sqlite3"})
BATCH_ROWS, BATCH_BYTES = 10_000, 4 * 1024**2
"""Rows fetched at a time; fewer where they are long."""
MIN_TASK_ROWIDS = 50_000
"""Minimum number of rowids per task."""
MAX_VALUE_BYTES = 16 * 1024**2
"""A row with a longer text counts as damaged."""
SQLITE_ERRORS = (sqlite3.Error, OverflowError)
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Query:
    """One table of the file whose rows are lines."""

    table: str
    columns: frozenset[str]
    """Required columns."""
    select: str
    """SELECT statement with the rowid of row `r` first; a WHERE clause is appended."""
    to_frames: Callable[[Sequence[Row], str], Iterator[pd.DataFrame]]
    """Takes rows (rowid and values) and the id prefix. Yields frames like python_readers.ReadFile, with `line` = rowid.
    """


@dataclass(frozen=True)
class SqliteSnapshotFormat(SnapshotFormat):
    """A snapshot format of SQLite files. Instances differ in the tables that they read and the meaning of a row."""

    table: str
    queries: tuple[Query, ...]
    joined_tables: tuple[tuple[str, frozenset[str]], ...] = ()
    """Further tables, with their required columns, that a query joins."""

    def files(self, source: Source) -> list[str]:
        """List the file, or every .db, .sqlite and .sqlite3 below the folder. Raises SourceError for a file of another
        kind.
        """
        paths = list_files(source, SUFFIXES)
        required = [*((query.table, query.columns) for query in self.queries), *self.joined_tables]
        for path in paths:
            try:
                with closing(connect(path)) as database:
                    for name, columns in required:
                        _require_table(database, name, columns)
            except (*SQLITE_ERRORS, ValueError) as error:
                raise SourceError(f"Source {source.name}: {path} is no database of this kind: {error}.") from None
        return paths

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """Count the rows of the tables with the independent counter."""
        names = [query.table for query in self.queries]
        return count_files(spark, files, lambda path: sum(count_rows(path, _root_page(path, name)) for name in names))

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Read the rows of the tables, many ranges at a time."""
        prefix, queries = source.prefix, self.queries
        tasks = 4 * spark.sparkContext.defaultParallelism
        ranges = [
            (path, number, *rowids)
            for path in files
            for number, query in enumerate(queries)
            for rowids in _rowid_ranges(path, query.table, tasks)
        ]
        parts = spark.createDataFrame(ranges, "file string, query int, first long, last long")

        def read(path: str, query: int, first: int, last: int) -> Iterator[pd.DataFrame]:
            yield from read_range(path, queries[query], first, last, prefix)

        lake = lake_table(self.table)
        return parsed_from_frames(read_parts(parts.repartition(max(1, len(ranges))), lake.schema, read), lake)


def connect(path: str) -> sqlite3.Connection:
    """Open the file read-only, without locks or journals; text as UTF-8 or else latin-1. Raises sqlite3.Error."""
    database = sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)
    database.text_factory = decode_line
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA cell_size_check = ON")
    return database


def read_range(path: str, query: Query, first: int, last: int, prefix: str) -> Iterator[pd.DataFrame]:
    """Yield frames of the rows with these rowids, both included. After a damaged page, read row by row. Bad content
    never raises.
    """
    last_read = first - 1
    try:
        with closing(connect(path)) as database:
            rows = database.execute(f"{query.select} WHERE r.rowid BETWEEN ? AND ? ORDER BY r.rowid", (first, last))
            for batch in _batched(rows):
                yield from query.to_frames(batch, prefix)
                last_read = batch[-1][0]
    except SQLITE_ERRORS:
        try:
            yield from _read_row_by_row(path, query, last_read + 1, last, prefix)
        except (*SQLITE_ERRORS, OSError) as error:
            yield rejected_frame("damaged", f"the table {query.table} cannot be read any further: {error}")


def _batched(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch, size = list[Row](), 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(batch) == BATCH_ROWS or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read_row_by_row(path: str, query: Query, first: int, last: int, prefix: str) -> Iterator[pd.DataFrame]:
    """Select each row that the independent counter finds; reject those that SQLite does not return."""
    with closing(connect(path)) as database:
        for number in row_ids(path, _root_page(path, query.table)):
            if not first <= number <= last:
                continue
            try:
                rows = database.execute(f"{query.select} WHERE r.rowid = ?", (number,)).fetchall()
                error_text = "SQLite finds no row with its rowid"
            except SQLITE_ERRORS as error:
                rows, error_text = [], str(error)
            if rows:
                yield from query.to_frames(rows[:1], prefix)
            else:
                yield rejected_frame(
                    "damaged", f"the row of table {query.table} cannot be read: {error_text}", [number]
                )


def _require_table(database: sqlite3.Connection, name: str, columns: frozenset[str]) -> None:
    """Raise ValueError unless this is a plain table with these columns: a view could run forever."""
    kind = database.execute("SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)).fetchone()
    if not kind or not kind[0]:
        raise ValueError(f"it has no table {name}")
    existing = {row[1] for row in database.execute(f'PRAGMA table_info("{name}")')}
    if absent := sorted(columns - existing):
        raise ValueError(f"its table {name} has no column {absent[0]}")
    database.execute(f'SELECT rowid FROM "{name}" LIMIT 1').fetchall()


def _root_page(path: str, name: str) -> int:
    """Return the number of the table's first page. Read errors become OSError; callers add the file's name."""
    try:
        with closing(connect(path)) as database:
            return int(database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0])
    except (*SQLITE_ERRORS, TypeError) as error:
        raise OSError(str(error)) from None


def _rowid_ranges(path: str, name: str, tasks: int) -> list[tuple[int, int]]:
    """Divide the table's rowids into ranges of first and last rowid."""
    try:
        with closing(connect(path)) as database:
            first, last = database.execute(f'SELECT min(rowid), max(rowid) FROM "{name}"').fetchone()
    except SQLITE_ERRORS:
        return [(-(2**63), 2**63 - 1)]  # damaged: one range; read_range finds the damaged rows
    if first is None:
        return []
    step = max(MIN_TASK_ROWIDS, -(-(last - first + 1) // tasks))
    return [(start, min(start + step - 1, last)) for start in range(first, last + 1, step)]


def split_rows(
    rows: Iterable[Row], columns: Sequence[str], *rules: tuple[str, str, Callable[[Row], Any]]
) -> Iterator[pd.DataFrame]:
    """Yield frames of rows (rowid and values): valid ones under the names of `columns`, and the others as rejected.

    `rules`: code, reason, and a predicate of the values that holds for valid rows. The first broken rule counts.
    """
    good, bad = [], dict[tuple[str, str], list[int]]()
    for row in rows:
        broken = next(((rule, reason) for rule, reason, is_valid in rules if not is_valid(row[1:])), None)
        if broken:
            bad.setdefault(broken, []).append(row[0])
        else:
            good.append(row)
    for (rule, reason), numbers in bad.items():
        yield rejected_frame(rule, reason, numbers)
    if good:
        yield pd.DataFrame(good, columns=["line", *columns])


def to_text(value: Any) -> str | None:
    """Convert a value of any SQLite type to stripped text; null and empty text become None."""
    if value is None:
        return None
    return (decode_line(value) if isinstance(value, bytes) else str(value)).strip() or None
