"""Listening events from any table: CSV, TSV or Parquet, with a mapping from our columns to those of the table."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import reduce
from operator import or_
from typing import Literal

import pyarrow.parquet as pq
from pydantic import Field
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.sources.base import EventFormat
from jobs.sources.contract import Parsed, Source
from jobs.sources.event_format import (
    EventColumns,
    event_line_format,
    parse_events,
    parse_iso_time,
    parse_unix_time,
    require_utc,
)
from jobs.sources.line_format import LineFormat, Rule, csv_cells, empty_to_null
from jobs.sources.options import Options
from jobs.sources.reading.csv_records import cell, csv_rules, has_multiline_records, read_records
from jobs.sources.reading.files import folder_date, list_files, list_text_files, suffix
from jobs.sources.reading.lines import (
    count_files,
    count_text_lines,
    read_text,
    resolve_file_names,
    spark_path,
    truncated_files,
    with_file_dates,
)
from jobs.sources.reading.tables import (
    PARQUET,
    SEPARATORS,
    column_names,
    header_lines,
    newest_date_in_column,
    require_columns,
    separator,
    split_cells,
)

COLUMN = "the name of a column"


class TableColumns(Options):
    """Our columns and the names of those of the table."""

    user: str = Field(description=COLUMN)
    track: str = Field(description=COLUMN)
    time: str = Field(description=COLUMN)
    event: str | None = Field(None, description=COLUMN)
    rating: str | None = Field(None, description=COLUMN)
    session: str | None = Field(None, description=COLUMN)
    ms_played: str | None = Field(None, description=COLUMN)
    received: str | None = Field(None, description=COLUMN)


class TableOptions(Options):
    """Options of a table."""

    columns: TableColumns = Field(description='a table such as {user="...", track="...", time="..."}')
    names: list[str] | None = Field(None, description='the columns of a file without a header, such as ["a", "b"]')
    time_unit: Literal["iso", "s", "ms"] = Field("iso", description='"iso", "s" or "ms"')
    separator: str | None = Field(None, pattern=r'^[^"\r\n]$', description='one character, such as ";" or "\\t"')


class Table(EventFormat):
    """Every row is an event: a play unless an event column is mapped. It was received when it happened, unless a column
    says otherwise.
    """

    options = TableOptions

    def files(self, source: Source) -> list[str]:
        """List files named .csv, .tsv, .txt (or .gz of these) or .parquet, all of one kind.

        Raises SourceError if kinds are mixed, a Parquet footer is unreadable or a mapped column is missing.
        """
        paths = list_files(source, frozenset({*SEPARATORS, PARQUET}))
        kinds = {suffix(path) == PARQUET for path in paths}
        if len(kinds) > 1:
            raise SourceError(f"Source {source.name}: {source.path} mixes Parquet and text; make them two sources.")
        if True not in kinds:
            list_text_files(source, frozenset(SEPARATORS))
        for path in paths:
            self.receipt_date(path)
        require_columns(source, paths)
        return paths

    def receipt_date(self, path: str) -> date | None:
        """Return the date of a folder dt=...; a date in the name of a table is not a date of receipt."""
        return folder_date(path)

    def newest_date_in_file(self, source: Source, path: str) -> date | None:
        """Return the newest date of the received column, or else of the time column."""
        column = source.options["columns"].get("received") or source.options["columns"]["time"]
        return newest_date_in_column(source, path, column)

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """Count lines with the independent counter, or the rows in the Parquet footers."""
        if suffix(files[0]) == PARQUET:
            return count_files(spark, files, _parquet_rows)
        return count_text_lines(spark, files, truncated_files(source, files))

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Parse events, rejected rows and deletion requests."""
        require_utc(spark)
        read = _parquet_lines if suffix(files[0]) == PARQUET else _text_lines
        if read is _text_lines and _may_span_lines(spark, source, files):
            read = _csv_records
        return parse_events(*read(spark, source, files))


def _event_columns(source: Source, texts: Mapping[str, Column]) -> EventColumns:
    """Return the columns of an event from the mapped columns as text (null where empty)."""
    absent = F.lit(None).cast("string")
    received = texts.get("received", absent)
    return EventColumns(
        user=texts["user"],
        track=texts["track"],
        event=texts.get("event", F.lit("play")),
        rating=texts.get("rating", absent),
        ms_played=texts.get("ms_played", absent),
        session=texts.get("session", absent),
        played_at=_parse_time(source, texts["time"]),
        received_text=received,
        received_at=_parse_time(source, received),
        file_date=F.col("folder_date"),
    )


def _parse_time(source: Source, text: Column) -> Column:
    unit = source.options.get("time_unit", "iso")
    return parse_iso_time(text) if unit == "iso" else parse_unix_time(text, 1000 if unit == "ms" else 1)


def _parquet_lines(spark: SparkSession, source: Source, files: Sequence[str]) -> tuple[DataFrame, LineFormat]:
    """Read rows with their number in the file; `raw` is their mapped columns as JSON."""
    columns: dict[str, str] = source.options["columns"]
    frame = spark.read.option("recursiveFileLookup", "true").parquet(*[spark_path(path) for path in files])
    texts = [empty_to_null(_quoted(name).cast("string")).alias(f"c_{ours}") for ours, name in columns.items()]
    raw = F.to_json(F.struct(*[_quoted(name) for name in sorted(set(columns.values()))])).cast("binary")
    uri, line = F.col("_metadata.file_path").alias("uri"), (F.col("_metadata.row_index") + 1).alias("line")
    rows = frame.select(uri, line, raw.alias("raw"), F.lit("row").alias("text"), *texts)
    garbled = reduce(or_, [F.coalesce(~F.is_valid_utf8(F.col(f"c_{name}")), F.lit(False)) for name in columns])
    rule = Rule("invalid_utf8", "a mapped column is not valid UTF-8", garbled)
    line_format = LineFormat(parsed={"row": F.lit(1)}, rules=(rule,), columns={})
    event = _event_columns(source, {name: F.col(f"c_{name}") for name in columns})
    return resolve_file_names(rows, frame.inputFiles()), event_line_format(source, event, line_format)


def _quoted(name: str) -> Column:
    return F.col("`" + name.replace("`", "``") + "`")


def _text_lines(spark: SparkSession, source: Source, files: Sequence[str]) -> tuple[DataFrame, LineFormat]:
    """Read lines with cells by position. Lines equal to a file's header are blank. All files have the same columns."""
    names, mark = column_names(source, files), separator(source, files[0])
    header = F.col("text").isin(sorted(header_lines(source, files)))
    cells = {"cells": _cells(mark, len(names))}
    line_format = LineFormat(parsed=cells, is_blank=header, rules=(_width_rule(names, mark),), columns={})
    index_of = {ours: names.index(name) for ours, name in source.options["columns"].items()}
    event = _event_columns(source, {ours: empty_to_null(F.get("cells", index)) for ours, index in index_of.items()})
    lines = read_text(spark, files, truncated_files(source, files))
    return lines, event_line_format(source, event, line_format)


def _may_span_lines(spark: SparkSession, source: Source, files: Sequence[str]) -> bool:
    """Return whether a field may hold a line break. Such files are read sequentially, others in parallel splits."""
    if separator(source, files[0]) == "\t":
        return False
    truncated = truncated_files(source, files)
    return any(count_files(spark, files, lambda path: int(has_multiline_records(path, path in truncated))).values())


def _csv_records(spark: SparkSession, source: Source, files: Sequence[str]) -> tuple[DataFrame, LineFormat]:
    """Read records that may span several lines, with cells by position. Records equal to a header are blank."""
    names, mark = column_names(source, files), separator(source, files[0])
    headers = [split_cells(line, mark) for line in sorted(header_lines(source, files))]
    header_rows = [F.array(*[F.lit(name or None) for name in header]) for header in headers]
    is_header = reduce(or_, [F.col("cells").eqNullSafe(row) for row in header_rows], F.lit(False))
    rules = (csv_rules(len(names))[0], _width_rule(names, mark))
    line_format = LineFormat(parsed={"columns": F.size("cells")}, is_blank=is_header, rules=rules, columns={})
    index_of = {ours: names.index(name) for ours, name in source.options["columns"].items()}
    event = _event_columns(source, {ours: cell(index) for ours, index in index_of.items()})
    truncated = truncated_files(source, files)
    lines = read_records(spark, files, truncated, header="", separator=mark, strip=False)
    return with_file_dates(lines, files), event_line_format(source, event, line_format)


def _width_rule(names: Sequence[str], mark: str) -> Rule:
    return Rule("fields", f"not {len(names)} fields separated by {mark!r}", F.size("cells") != len(names))


def _cells(mark: str, width: int) -> Column:
    """Split the line into fields. Tabs have no quoting, as titles hold stray quotes; others quote with `"`."""
    if mark == "\t":
        return F.split("text", "\t", -1)
    return csv_cells(mark, width)


def _parquet_rows(path: str) -> int:
    return int(pq.read_metadata(path).num_rows)


FORMAT = Table()
