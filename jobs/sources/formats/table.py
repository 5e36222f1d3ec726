"""Listening events from any table: CSV, TSV or Parquet, with the operator's map from our columns to the table's."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import reduce
from operator import or_

import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.sources.base import Events
from jobs.sources.contract import Parsed, Source
from jobs.sources.layout import Fault, Layout, csv_cells, or_null
from jobs.sources.listening import Told, event_layout, instant, instant_of_number, parse_events, require_utc
from jobs.sources.reading.files import folder_date, listing, suffix, text_listing
from jobs.sources.reading.lines import (
    as_lines,
    as_text,
    count_by,
    cut_files,
    independent_count,
    name_files,
    read_lines,
    spark_path,
)
from jobs.sources.reading.records import any_over_lines, cell, not_csv, read_records
from jobs.sources.reading.tables import (
    PARQUET,
    SEPARATORS,
    cells,
    column_names,
    header_lines,
    newest_day,
    require_columns,
    separator,
)

REQUIRED = ("user", "track", "time")
OPTIONAL = ("event", "rating", "session", "ms_played", "received")
TIME_UNITS = ("iso", "s", "ms")


class Table(Events):
    """A row is an event, a play where no event column is named. Received when it happened, unless the table says more."""

    options = frozenset({"columns", "names", "time_unit", "separator"})

    def check(self, source: Source) -> None:
        """`columns` must map user, track and time; `time_unit` be iso, s or ms; `separator` one character."""
        columns = source.options.get("columns")
        if not isinstance(columns, dict) or not all(isinstance(name, str) for name in columns.values()):
            raise SourceError(f'Source {source.name}: write columns = {{user="...", track="...", time="..."}}.')
        if missing := [name for name in REQUIRED if name not in columns]:
            raise SourceError(f"Source {source.name}: `columns` does not say which column is {missing[0]}.")
        if unknown := sorted(set(columns) - {*REQUIRED, *OPTIONAL}):
            raise SourceError(
                f"Source {source.name}: `columns` names {unknown[0]}; known are {', '.join((*REQUIRED, *OPTIONAL))}."
            )
        if source.options.get("time_unit", "iso") not in TIME_UNITS:
            raise SourceError(f"Source {source.name}: time_unit is one of {', '.join(TIME_UNITS)}.")
        mark = str(source.options.get("separator", ","))
        if len(mark) != 1 or mark in '"\r\n':
            raise SourceError(f'Source {source.name}: separator is one character, such as ";" or "\\t".')
        names = source.options.get("names", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SourceError(f'Source {source.name}: names is the list of a headless file\'s columns: ["a", "b"].')

    def files(self, source: Source) -> list[str]:
        """Files with the suffixes .csv, .tsv, .txt (or .gz of these) or .parquet, all of one kind.

        Raises SourceError where kinds are mixed, a Parquet footer is unreadable or a mapped column is missing.
        """
        found = listing(source, frozenset({*SEPARATORS, PARQUET}))
        kinds = {suffix(path) == PARQUET for path in found}
        if len(kinds) > 1:
            raise SourceError(f"Source {source.name}: {source.path} mixes Parquet and text; make them two sources.")
        if True not in kinds:
            text_listing(source, frozenset(SEPARATORS))
        for path in found:
            self.received(path)
        require_columns(source, found)
        return found

    def received(self, path: str) -> date | None:
        """The date of a folder dt=...; a date in the name of a table says nothing about receipt."""
        return folder_date(path)

    def newest_day(self, source: Source, path: str) -> date | None:
        """Newest date of the received column, else of the time column."""
        column = source.options["columns"].get("received") or source.options["columns"]["time"]
        return newest_day(source, path, column)

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """Lines by the second reader, or the rows that the Parquet footers tell."""
        if suffix(files[0]) == PARQUET:
            return count_by(spark, files, _parquet_rows)
        return independent_count(spark, files, cut_files(source, files))

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Events, rejected rows, and wishes to be forgotten."""
        require_utc(spark)
        read = _parquet_lines if suffix(files[0]) == PARQUET else _text_lines
        if read is _text_lines and _over_lines(spark, source, files):
            read = _records
        return parse_events(*read(spark, source, files))


def _told(source: Source, cells: Mapping[str, Column]) -> Told:
    """What a row says: `cells` has the mapped columns as text, null where empty."""
    said = {name: cells.get(name, F.lit(None).cast("string")) for name in (*REQUIRED, *OPTIONAL)}
    return Told(
        user=said["user"],
        track=said["track"],
        event=cells.get("event", F.lit("play")),
        rating=said["rating"],
        ms_played=said["ms_played"],
        session=said["session"],
        played=_moment(source, said["time"]),
        received_text=said["received"],
        received=_moment(source, said["received"]),
        file_date=F.col("folder_date"),
    )


def _moment(source: Source, text: Column) -> Column:
    unit = source.options.get("time_unit", "iso")
    return instant(text) if unit == "iso" else instant_of_number(text, 1000 if unit == "ms" else 1)


def _parquet_lines(spark: SparkSession, source: Source, files: Sequence[str]) -> tuple[DataFrame, Layout]:
    """Rows with their number in the file, and as `raw` their mapped columns as JSON."""
    columns: dict[str, str] = source.options["columns"]
    frame = spark.read.option("recursiveFileLookup", "true").parquet(*[spark_path(path) for path in files])
    cells = [or_null(_column(theirs).cast("string")).alias(f"c_{ours}") for ours, theirs in columns.items()]
    raw = F.to_json(F.struct(*[_column(theirs) for theirs in sorted(set(columns.values()))])).cast("binary")
    uri, line = F.col("_metadata.file_path").alias("uri"), (F.col("_metadata.row_index") + 1).alias("line")
    rows = frame.select(uri, line, raw.alias("raw"), F.lit("row").alias("text"), *cells)
    garbled = reduce(or_, [F.coalesce(~F.is_valid_utf8(F.col(f"c_{ours}")), F.lit(False)) for ours in columns])
    fault = Fault("invalid_utf8", "a mapped column is not valid UTF-8", garbled)
    layout = Layout(parts={"row": F.lit(1)}, faults=(fault,), columns={})
    told = _told(source, {ours: F.col(f"c_{ours}") for ours in columns})
    return name_files(rows, frame.inputFiles()), event_layout(source, told, layout)


def _column(name: str) -> Column:
    return F.col("`" + name.replace("`", "``") + "`")


def _text_lines(spark: SparkSession, source: Source, files: Sequence[str]) -> tuple[DataFrame, Layout]:
    """Cells by position; lines equal to a file's header are blank. All files have their columns in one order."""
    names, mark = column_names(source, files), separator(source, files[0])
    header = F.col("text").isin(sorted(header_lines(source, files)))
    faults = (_wrong_width(names, mark),)
    layout = Layout(parts={"cells": _cells(mark, len(names))}, blank=header, faults=faults, columns={})
    place = {ours: names.index(theirs) for ours, theirs in source.options["columns"].items()}
    told = _told(source, {ours: or_null(F.get(F.col("cells"), index)) for ours, index in place.items()})
    return read_lines(spark, files, cut_files(source, files)).withColumn("text", as_text()), event_layout(source, told, layout)


def _over_lines(spark: SparkSession, source: Source, files: Sequence[str]) -> bool:
    """Whether a field may hold a line break: such files are read from their start to their end, others in parallel pieces."""
    if separator(source, files[0]) == "\t":
        return False
    cut = cut_files(source, files)
    return any(count_by(spark, files, lambda path: int(any_over_lines(path, path in cut))).values())


def _records(spark: SparkSession, source: Source, files: Sequence[str]) -> tuple[DataFrame, Layout]:
    """Cells by position of records that may take several lines; those equal to a header are blank."""
    names, mark = column_names(source, files), separator(source, files[0])
    headers = [F.array(*[F.lit(name or None) for name in cells(line, mark)]) for line in sorted(header_lines(source, files))]
    header = reduce(or_, [F.col("cells").eqNullSafe(row) for row in headers], F.lit(False))
    faults = (not_csv(len(names))[0], _wrong_width(names, mark))
    layout = Layout(parts={"columns": F.size("cells")}, blank=header, faults=faults, columns={})
    told = _told(source, {ours: cell(names.index(theirs)) for ours, theirs in source.options["columns"].items()})
    lines = read_records(spark, files, cut_files(source, files), header="", mark=mark, tidy=False)
    return as_lines(lines, files), event_layout(source, told, layout)


def _wrong_width(names: Sequence[str], mark: str) -> Fault:
    return Fault("fields", f"not {len(names)} fields by {mark!r}", F.size("cells") != len(names))


def _cells(mark: str, width: int) -> Column:
    """The line's fields. Tabs have no quoting: titles hold stray quotes; with any other separator `"` quotes."""
    if mark == "\t":
        return F.split("text", "\t", -1)
    return csv_cells(mark, width)


def _parquet_rows(path: str) -> int:
    return int(pq.read_metadata(path).num_rows)


FORMAT = Table()
