"""Tables before Spark: which columns a file has, and the newest date in one of them."""

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
from jobs.sources.reading import raw
from jobs.sources.reading.files import suffix
from jobs.sources.reading.raw import text_of
from jobs.sources.reading.records import records

PARQUET = ".parquet"
SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
SECONDS_PER_UNIT = {"s": 1.0, "ms": 1e-3}
EARLIEST = date(2000, 1, 1)
"""Events before it are rejected, so they do not date the data either."""


def separator(source: Source, path: str) -> str:
    """The option `separator`, else the suffix's: a comma for .csv, a tab for .tsv and .txt."""
    return str(source.options.get("separator") or SEPARATORS.get(suffix(path), ","))


def cells(line: str, mark: str) -> list[str]:
    """A line's fields; quotes count unless the separator is a tab."""
    if mark == "\t":
        return line.split("\t")
    return next(csv.reader([line], delimiter=mark), [])


def header_lines(source: Source, files: Sequence[str]) -> set[str]:
    """The different header lines of text files; none where the option `names` says that there are none."""
    if "names" in source.options:
        return set()
    cuts = {path: source.cut_line(path) for path in files}
    # half a header is none
    lines = (next(raw.lines(path, cut=at is not None), None) for path, at in cuts.items() if at != 1)
    return {text_of(line) for line in lines if line is not None}


def column_names(source: Source, files: Sequence[str]) -> list[str]:
    """Names of a text table's columns, in order: the option `names`, else the header."""
    if names := source.options.get("names"):
        return list(names)
    for header in header_lines(source, files):
        return cells(header, separator(source, files[0]))
    return list(source.options["columns"].values())


def require_columns(source: Source, files: Sequence[str]) -> None:
    """Raise SourceError unless every file is readable, has the mapped columns, and all files agree in them."""
    wanted = sorted(set(source.options["columns"].values()))
    first: Any = None
    for path in files:
        try:
            shape = _parquet_shape(path, wanted) if suffix(path) == PARQUET else _text_shape(source, path, wanted)
        except (OSError, EOFError, zlib.error, pa.ArrowException, csv.Error) as error:
            raise SourceError(f"Source {source.name}: {path} cannot be read: {error}.") from None
        except KeyError as error:
            raise SourceError(f"Source {source.name}: {path} has no column {error}; correct `columns`.") from None
        first = first or shape
        if shape and shape != first:
            raise SourceError(f"Source {source.name}: the columns of {path} differ from those of {files[0]}.")


def _parquet_shape(path: str, wanted: Sequence[str]) -> list[str]:
    schema = pq.read_schema(path)
    for field in schema:
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            raise OSError(
                f'the column {field.name} has nanoseconds, which Spark does not read; write it with coerce_timestamps="us"'
            )
    return [str(schema.field(name).type) for name in wanted]


def _text_shape(source: Source, path: str, wanted: Sequence[str]) -> list[str]:
    if "names" not in source.options and not header_lines(source, [path]):
        return []  # An empty file: nothing to disagree with.
    names = column_names(source, [path])
    for name in wanted:
        if name not in names:
            raise KeyError(name)
    return names


def damage(path: str) -> str | None:
    """What is wrong with a Parquet file, read to its end; None: nothing, or it is none. A footer says nothing of the pages."""
    if suffix(path) != PARQUET:
        return None
    try:
        for _ in pq.ParquetFile(path).iter_batches():
            pass
    except (OSError, pa.ArrowException) as error:
        return str(error).partition("\n")[0]
    return None


def newest_day(source: Source, path: str, column: str) -> date | None:
    """Newest UTC date in a column of times, bad ones passed over; None where there is none."""
    values = _parquet_values(path, column) if suffix(path) == PARQUET else _text_values(source, path, column)
    unit = source.options.get("time_unit", "iso")
    if unit == "iso":
        return max((day for value in values if (day := iso_day(value))), default=None)
    numbers = (number for value in values if (number := _number(value)) is not None)
    newest = max(numbers, default=None)
    day = None if newest is None else _day_of(newest * SECONDS_PER_UNIT[unit])
    return day if day and day >= EARLIEST else None


def _parquet_values(path: str, column: str) -> Iterator[Any]:
    """The largest value of each batch where the type is a number or time, which are in order; else every value."""
    for batch in pq.ParquetFile(path).iter_batches(columns=[column]):
        values = batch.column(0)
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type) or pa.types.is_dictionary(values.type):
            yield from values.to_pylist()
        else:
            yield pc.max(values).as_py()


def _text_values(source: Source, path: str, column: str) -> Iterable[str]:
    mark, names = separator(source, path), column_names(source, [path])
    place = names.index(column)
    if mark == "\t":
        rows = (cells(text_of(line), mark) for line in raw.lines(path, cut=True))
    else:
        rows = (record.cells or [] for record in records(path, mark, cut=True))
    return (row[place] for row in rows if len(row) == len(names))


def iso_day(value: Any) -> date | None:
    """UTC date of a time or of ISO text, if events may be of that date."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        day = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).date()
    except (ValueError, OverflowError):
        return None
    return day if day >= EARLIEST else None


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if abs(found) < 1e15 else None


def _day_of(seconds: float) -> date | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
