"""Helpers for formats that Python reads on the executors: files or parts of them, with rejected lines among the good
ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from jobs.lake.schemas.columns import Table
from jobs.sources.contract import Parsed
from jobs.sources.line_format import blank_lines, rejected_lines
from jobs.sources.reading.lines import distribute_files

if TYPE_CHECKING:
    # every command reads the sources file, and thus imports its formats; pandas takes most of a second
    import pandas as pd

ReadFile = Callable[[str], Iterator["pd.DataFrame"]]
"""Takes a path and yields frames. A frame has the table's columns (good rows) or `line`, `rule`, `reason` (rejected
rows).

An optional column `kind` marks `blank` lines and EXTRA rows.
"""
ReadPart = Callable[..., Iterator["pd.DataFrame"]]
"""The same for a part of a file. Takes the path and what identifies the part."""
EXTRA = "extra"
"""Kind of a row that does not count as a line: another row of its line is good, quarantined or blank."""
LINE_COLUMNS = ("file", "line", "kind", "rule", "reason")


def parse_files(spark: SparkSession, files: Sequence[str], table: Table, read: ReadFile) -> Parsed:
    """Parse files with `read` on the executors, many at a time."""
    return parsed_from_frames(read_parts(distribute_files(spark, files), table.schema, read), table)


def read_parts(parts: DataFrame, columns: StructType, read: ReadPart) -> DataFrame:
    """Apply `read` to each row of `parts` (`file` and its other arguments).

    Returns the columns of LINE_COLUMNS, `raw` and `columns`.
    """
    columns_of_table = [StructField(column.name, column.dataType) for column in columns]
    texts = [StructField(name, LongType() if name == "line" else StringType()) for name in LINE_COLUMNS]
    schema = StructType([*texts, *columns_of_table])
    frame = parts.mapInPandas(_map_partition(read, schema.names), schema)
    kind = F.coalesce("kind", F.when(F.col("rule").isNull(), "good").otherwise("quarantined"))
    return frame.withColumns({"kind": kind, "raw": F.lit(None).cast("binary")})


def parsed_from_frames(lines: DataFrame, table: Table) -> Parsed:
    """Return the frames of the format contract from the output of `read_parts`."""
    return Parsed(
        lines=lines,
        rows=lines.where(F.col("kind").isin("good", EXTRA)).select("file", *table.schema.names),
        rejected=rejected_lines(lines, F.col("reason")),
        blank=blank_lines(lines),
    )


def _map_partition(read: ReadPart, names: list[str]) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    def run(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for part in batch.itertuples(index=False):
                for frame in read(*part):
                    yield frame.assign(file=part[0]).reindex(columns=names).pipe(_nulls)

    return run


def _nulls(frame: pd.DataFrame) -> pd.DataFrame:
    """Replace every kind of missing value by None, the only one that becomes null in every Arrow type."""
    import pandas as pd

    return pd.DataFrame({name: _with_none(column) for name, column in frame.items()})


def _with_none(column: pd.Series) -> pd.Series:
    import pandas as pd

    is_missing = column.isna()
    if len(column) and not is_missing.any():
        return column
    values = [None if missing else value for value, missing in zip(column, is_missing, strict=True)]
    return pd.Series(values, column.index, dtype=object)


def rejected_frame(rule: str, reason: str, lines: Sequence[int | None] = (None,)) -> pd.DataFrame:
    """Return rejected rows with their 1-based line numbers, or one for the whole file (None)."""
    import pandas as pd

    return pd.DataFrame({"line": pd.Series(list(lines), dtype=object), "rule": rule, "reason": reason})


def blank_frame(line: int) -> pd.DataFrame:
    """Return a row for a blank line."""
    import pandas as pd

    return pd.DataFrame({"line": [line], "kind": ["blank"]})


def merge_frames(frames: Iterator[pd.DataFrame], rows: int = 1_000) -> Iterator[pd.DataFrame]:
    """Merge small frames: each frame that is sent to Spark costs as much as a thousand rows."""
    pending: list[pd.DataFrame] = []
    for frame in frames:
        pending.append(frame)
        if sum(map(len, pending)) >= rows:
            yield _concat(pending)
            pending = []
    if pending:
        yield _concat(pending)


def _concat(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate frames as objects: pandas would guess types from missing values."""
    import pandas as pd

    columns: dict[str, list[Any]] = {name: [] for frame in frames for name in frame.columns}
    for frame in frames:
        for name, values in columns.items():
            values.extend(frame[name] if name in frame.columns else [None] * len(frame))
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
