"""Inspect tables without Spark: their columns, and the newest date in a column."""

import csv
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.reading import raw_bytes
from jobs.sources.reading.csv_records import iter_records
from jobs.sources.reading.files import suffix
from jobs.sources.reading.raw_bytes import decode_line

PARQUET = ".parquet"
SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
SECONDS_PER_UNIT = {"s": 1.0, "ms": 1e-3}
EARLIEST_DATE = date(2000, 1, 1)
"""Earlier events are rejected, so they do not count as the newest date either."""


def separator(source: Source, path: str) -> str:
    """Return the option `separator`, or the default of the suffix: a comma for .csv, a tab for .tsv and .txt."""
    return str(source.options.get("separator") or SEPARATORS.get(suffix(path), ","))


def split_cells(line: str, separator_char: str) -> list[str]:
    """Split a line into fields; quotes count unless the separator is a tab."""
    if separator_char == "\t":
        return line.split("\t")
    return next(csv.reader([line], delimiter=separator_char), [])


def header_lines(source: Source, files: Sequence[str]) -> set[str]:
    """Return the distinct header lines of text files; none if the option `names` replaces them."""
    if "names" in source.options:
        return set()
    truncated_at = {path: source.truncated_at_line(path) for path in files}
    # an incomplete header is none
    with_header = {path: line is not None for path, line in truncated_at.items() if line != 1}
    lines = (next(raw_bytes.iter_lines(path, truncated), None) for path, truncated in with_header.items())
    return {decode_line(line) for line in lines if line is not None}


def column_names(source: Source, files: Sequence[str]) -> list[str]:
    """Return the names of a text table's columns in order: the option `names`, or the header."""
    if names := source.options.get("names"):
        return list(names)
    for header in header_lines(source, files):
        return split_cells(header, separator(source, files[0]))
    return list(source.options["columns"].values())


def require_columns(source: Source, files: Sequence[str]) -> None:
    """Raise SourceError unless every file is readable and has the mapped columns, in the same form in all files."""
    required = sorted(set(source.options["columns"].values()))
    first: Any = None
    for path in files:
        try:
            types = _parquet_types(path, required) if suffix(path) == PARQUET else _text_columns(source, path, required)
        except (OSError, EOFError, zlib.error, pa.ArrowException, csv.Error) as error:
            raise SourceError(f"Source {source.name}: {path} cannot be read: {error}.") from None
        except KeyError as error:
            raise SourceError(f"Source {source.name}: {path} has no column {error}; correct `columns`.") from None
        first = first or types
        if types and types != first:
            raise SourceError(f"Source {source.name}: the columns of {path} differ from those of {files[0]}.")


def _parquet_types(path: str, required: Sequence[str]) -> list[str]:
    schema = pq.read_schema(path)
    for field in schema:
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            raise OSError(
                f"the column {field.name} has nanoseconds, which Spark does not read; "
                'write it with coerce_timestamps="us"'
            )
    return [str(schema.field(name).type) for name in required]


def _text_columns(source: Source, path: str, required: Sequence[str]) -> list[str]:
    if "names" not in source.options and not header_lines(source, [path]):
        return []  # an empty file has no columns to compare
    names = column_names(source, [path])
    for name in required:
        if name not in names:
            raise KeyError(name)
    return names


def parquet_error(path: str) -> str | None:
    """Read a Parquet file to its end and return its error; None if it has none or is another file. A footer can be
    intact while pages are damaged.
    """
    if suffix(path) != PARQUET:
        return None
    try:
        for _ in pq.ParquetFile(path).iter_batches():
            pass
    except (OSError, pa.ArrowException) as error:
        return str(error).partition("\n")[0]
    return None


def newest_date_in_column(source: Source, path: str, column: str) -> date | None:
    """Return the newest UTC date in a column of times, ignoring bad values; None if there is none."""
    values = _parquet_values(path, column) if suffix(path) == PARQUET else _text_values(source, path, column)
    unit = source.options.get("time_unit", "iso")
    if unit == "iso":
        return max((day for value in values if (day := iso_date(value))), default=None)
    numbers = (number for value in values if (number := _parse_number(value)) is not None)
    newest = max(numbers, default=None)
    day = None if newest is None else _date_of_seconds(newest * SECONDS_PER_UNIT[unit])
    return day if day and day >= EARLIEST_DATE else None


def _parquet_values(path: str, column: str) -> Iterator[Any]:
    """Yield the maximum of each batch for numbers and times, which sort like dates; otherwise every value."""
    for batch in pq.ParquetFile(path).iter_batches(columns=[column]):
        values = batch.column(0)
        if (
            pa.types.is_string(values.type)
            or pa.types.is_large_string(values.type)
            or pa.types.is_dictionary(values.type)
        ):
            yield from values.to_pylist()
        else:
            yield pc.max(values).as_py()


def _text_values(source: Source, path: str, column: str) -> Iterable[str]:
    separator_char, names = separator(source, path), column_names(source, [path])
    index = names.index(column)
    if separator_char == "\t":
        rows = (split_cells(decode_line(line), separator_char) for line in raw_bytes.iter_lines(path, truncated=True))
    else:
        rows = (record.cells or [] for record in iter_records(path, separator_char, truncated=True))
    return (row[index] for row in rows if len(row) == len(names))


def iso_date(value: Any) -> date | None:
    """Return the UTC date of a time or of ISO text; None if it is invalid or before EARLIEST_DATE."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        day = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).date()
    except (ValueError, OverflowError):
        return None
    return day if day >= EARLIEST_DATE else None


def _parse_number(value: Any) -> float | None:
    try:
        parsed = float(value)
    except (TypeError, ValueError):
        return None
    return parsed if abs(parsed) < 1e15 else None


def _date_of_seconds(seconds: float) -> date | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
