"""Rows of a Spark task as one table, for results whose bits must not depend on how Spark splits a task into batches."""

from collections.abc import Iterator

import pyarrow as pa


def joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield all rows of the task as one table; nothing if there are none."""
    if some := [batch for batch in batches if batch.num_rows]:
        yield pa.Table.from_batches(some)
