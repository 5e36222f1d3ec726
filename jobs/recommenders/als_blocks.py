"""The interaction matrix: complete on the driver, or split into blocks of rows that Spark's tasks solve.

Few interactions are collected on the driver. In local mode, where the driver is the only process, as many are collected
as it may hold. Packing, sending and unpacking a block for a task costs twice as much as solving it. Both ways give the
same bits; models/ials.py defines the blocks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import coo_array, csr_array

from jobs.lake.collect import DRIVER_BYTES, collect_arrow
from jobs.spark import rows_per_batch

Solve = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
BLOCK = "first int, rows int, ends binary, columns binary, weights binary"
"""Rows `first` to `first + rows` of a sparse matrix: row ends (int64), columns (int32), confidence (float32)."""
INTERACTION_BYTES = 24
"""Size of an interaction on the driver: two numbers and a weight, as collected, and once more as a sparse matrix."""
ROWS_PER_BATCH = 100_000
"""Rows of three numbers that are sent to Python at once: 1.2 MB."""


@dataclass(frozen=True)
class Blocks:
    """The interaction matrix by rows of one side (users or items), in blocks."""

    frame: DataFrame
    """Columns of BLOCK, cached."""
    rows: int
    across: int

    def solved(self, solve: Solve, schema: str) -> pa.Table:
        """Run `solve` on every block and collect its rows, in the columns of `schema`."""
        return self.frame.mapInArrow(solve, schema).toArrow()


@dataclass(frozen=True)
class Interactions:
    """The interactions of U users with I tracks, by rows of either side."""

    by_user: Blocks
    by_item: Blocks


def fits_here(pairs: DataFrame, n_interactions: int, few: int) -> bool:
    """Return whether the driver can hold all interactions: up to `few`, in local mode up to DRIVER_BYTES."""
    alone = pairs.sparkSession.sparkContext.getConf().get("spark.master", "").startswith("local")
    return n_interactions <= few or (alone and n_interactions * INTERACTION_BYTES <= DRIVER_BYTES)


def matrix_on_driver(pairs: DataFrame, users: int, items: int, n_interactions: int) -> csr_array:
    """Return the confidence weights [U, I] of `pairs`: `user`, `item` (numbers from 0), `confidence`.

    `n_interactions`: number of rows of `pairs`.
    """
    numbers = F.col("user").cast("int").alias("user"), F.col("item").cast("int").alias("item")
    with rows_per_batch(pairs.sparkSession, ROWS_PER_BATCH):
        rows = collect_arrow(pairs.select(*numbers, "confidence"), INTERACTION_BYTES, "the interactions", rows=n_interactions)
    user, item, confidence = (rows[name].to_numpy() for name in ("user", "item", "confidence"))
    # indices stay int32
    matrix = csr_array(coo_array((confidence.astype(np.float32), (user, item)), shape=(users, items)))
    matrix.sort_indices()
    return matrix


@contextmanager
def interaction_blocks(pairs: DataFrame, users: int, items: int) -> Iterator[Interactions]:
    """Yield the matrix of `pairs` by `user_block` and by `item_block`; every row and column has an interaction."""
    sides = [_blocks(pairs, *side) for side in (("user", "item", users, items), ("item", "user", items, users))]
    try:
        yield Interactions(*sides)
    finally:
        for side in sides:
            side.frame.unpersist()


def _blocks(pairs: DataFrame, row: str, column: str, rows: int, across: int) -> Blocks:
    frame = build_blocks(pairs, row, column).persist(StorageLevel.MEMORY_AND_DISK)
    with rows_per_batch(pairs.sparkSession, ROWS_PER_BATCH):
        frame.count()
    return Blocks(frame, rows, across)


def build_blocks(pairs: DataFrame, row: str, column: str) -> DataFrame:
    """Return the columns of BLOCK: the matrix of `pairs` by blocks of its rows.

    `pairs`: `confidence`, the block of the row, and numbers from 0 in the columns named `row` and `column`.
    """

    def pack(rows: pa.Table) -> pa.Table:
        where = rows["row"].to_numpy()
        start = int(where.min())  # a block's first row, like all its rows, has an interaction
        where = where - start
        count = int(where.max()) + 1
        order = np.lexsort((rows["column"].to_numpy(), where))
        ends = np.cumsum(np.bincount(where, minlength=count), dtype=np.int64)
        columns = rows["column"].to_numpy()[order].astype(np.int32)
        weights = rows["confidence"].to_numpy()[order].astype(np.float32)
        parts = [[part.tobytes()] for part in (ends, columns, weights)]
        kinds = (pa.int32(), pa.int32(), pa.binary(), pa.binary(), pa.binary())
        names = ("first", "rows", "ends", "columns", "weights")
        data = [pa.array(part, kind) for part, kind in zip([[start], [count], *parts], kinds, strict=True)]
        return pa.table(dict(zip(names, data, strict=True)))

    numbers = F.col(row).cast("int").alias("row"), F.col(column).cast("int").alias("column")
    rows = pairs.select(f"{row}_block", *numbers, "confidence")
    return rows.groupBy(f"{row}_block").applyInArrow(pack, BLOCK)


def unpacked(block: dict[str, Any], across: int) -> csr_array:
    """Return the sparse matrix [rows, across] of a row of BLOCK."""
    kinds = {"ends": np.int64, "columns": np.int32, "weights": np.float32}
    # copies, because torch requires writable arrays
    ends, columns, weights = (np.frombuffer(block[name], kind).copy() for name, kind in kinds.items())
    return csr_array((weights, columns, np.append(0, ends)), shape=(block["rows"], across))
