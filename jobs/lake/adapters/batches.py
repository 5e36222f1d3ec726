"""Rows of a Spark task as Python sees them, for work whose bits must not hang on how Spark cuts a task into batches."""

from collections.abc import Iterator

import pyarrow as pa


def joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """All rows of the task as one table; nothing where there are none."""
    if some := [batch for batch in batches if batch.num_rows]:
        yield pa.Table.from_batches(some)
