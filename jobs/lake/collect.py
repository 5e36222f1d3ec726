"""Collect rows or counts on the driver. No other function does; rows pass a size check."""

from collections.abc import Mapping, Sequence
from functools import partial, reduce
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import MemoryLimitError

DRIVER_BYTES = 2 * 1024**3
"""Bytes that one job may bring to the driver: 2 GiB, a third of the default driver heap."""
COUNT_FIRST = "spark.pmrs.countBeforeCollect"
"""Setting of spark_conf/small.conf: false if the sources are so small that no table can exceed the limit."""


def collect_arrow(
    frame: DataFrame, row_bytes: int, what: str, limit: int = DRIVER_BYTES, rows: int | None = None
) -> pa.Table:
    """Return all rows as an Arrow table. Raises MemoryLimitError, with the numbers, if rows x row_bytes > limit.

    `row_bytes`: size of a row, from its schema. `what` names the rows in the error. `rows`: their number, if it is
    known; otherwise they are counted first, which computes them twice.
    """
    if rows is None and frame.sparkSession.conf.get(COUNT_FIRST, "true") == "true":
        rows = frame.count()
    if rows is not None:
        _check(rows, row_bytes, what, limit)
    table = frame.toArrow()
    _check(table.num_rows, row_bytes, what, limit)
    return table


def count_rows(frames: Mapping[str, DataFrame]) -> dict[str, int]:
    """Return the number of rows of each frame, all counted in one Spark job."""
    counts = [frame.agg(F.count("*").alias("rows")).select(F.lit(name).alias("name"), "rows") for name, frame in frames.items()]
    return {row["name"]: row["rows"] for row in reduce(DataFrame.unionByName, counts).collect()}


def one_row(aggregates: Sequence[DataFrame]) -> dict[str, Any]:
    """Return the values of several one-row frames, whose columns have different names, from one Spark job."""
    union = partial(DataFrame.unionByName, allowMissingColumns=True)
    rows = reduce(union, aggregates).collect()
    return {name: value for row in rows for name, value in row.asDict().items() if value is not None}


def _check(rows: int, row_bytes: int, what: str, limit: int) -> None:
    if rows * row_bytes > limit:
        raise MemoryLimitError(
            f"{what}: {rows} rows of {row_bytes} bytes are {rows * row_bytes / 2**30:.1f} GiB, more than the driver's "
            f"{limit / 2**30:.1f} GiB; use fewer of them, or raise DRIVER_BYTES together with PMRS_DRIVER_MEMORY."
        )
