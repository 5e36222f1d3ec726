"""The one door through which rows come to the driver: it looks at their size first."""

import pyarrow as pa
from pyspark.sql import DataFrame

from jobs.errors import MemoryLimitError

DRIVER_BYTES = 2 * 1024**3
"""Most bytes that one job may bring to the driver: 2 GiB, a third of the default driver heap."""


def collect_arrow(frame: DataFrame, row_bytes: int, what: str, limit: int = DRIVER_BYTES, rows: int | None = None) -> pa.Table:
    """All rows as an Arrow table. Raises MemoryLimitError with the numbers where rows x row_bytes would pass the limit.

    `row_bytes`: size of one row as the caller knows it from its schema; `what` names the rows in the error; `rows`: how many they
    are, where that is known: else they are counted, at the price of computing them twice.
    """
    rows = frame.count() if rows is None else rows
    if rows * row_bytes > limit:
        raise MemoryLimitError(
            f"{what}: {rows} rows of {row_bytes} bytes are {rows * row_bytes / 2**30:.1f} GiB, more than the driver's "
            f"{limit / 2**30:.1f} GiB; use fewer of them, or raise DRIVER_BYTES together with PMRS_DRIVER_MEMORY."
        )
    return frame.toArrow()
