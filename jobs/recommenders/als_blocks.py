"""The matrix of likes: whole, on the driver, or cut into blocks of rows that Spark's tasks solve.

Few likes are brought to the driver, and on one machine, where the driver is all there is, as many as it may hold: a block that
goes to a task is packed, sent and unpacked, at twice the price of solving it. What a block is stands in models/ials.py; the results
are the same bits.
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
BLOCK = "first int, rows int, ends binary, columns binary, strengths binary"
"""Rows `first` to `first + rows` of a sparse matrix: where each ends (int64), columns (int32) and strengths (float32)."""
LIKE_BYTES = 24
"""Of a like on the driver: two numbers and a strength, as they come, and once more as a sparse matrix."""
ROWS_PER_BATCH = 100_000
"""Rows of three numbers that go to Python at once: 1.2 MB."""


@dataclass(frozen=True)
class Blocks:
    """One side of the likes, in blocks of rows."""

    frame: DataFrame
    """Columns of BLOCK, kept."""
    rows: int
    across: int

    def solved(self, solve: Solve, schema: str) -> pa.Table:
        """Run `solve` on every block and collect its rows, in the columns of `schema`."""
        return self.frame.mapInArrow(solve, schema).toArrow()


@dataclass(frozen=True)
class Interactions:
    """The likes of U users for I tracks, by either."""

    by_user: Blocks
    by_item: Blocks


def fits_here(pairs: DataFrame, likes: int, few: int) -> bool:
    """Whether the driver takes so many likes whole: a `few`, and on one machine as many as it may hold."""
    alone = pairs.sparkSession.sparkContext.getConf().get("spark.master", "").startswith("local")
    return likes <= few or (alone and likes * LIKE_BYTES <= DRIVER_BYTES)


def matrix_on_driver(pairs: DataFrame, users: int, items: int, likes: int) -> csr_array:
    """Strengths [U, I] of `pairs`, `likes` rows: `user`, `item` (numbers from 0) and `strength`."""
    numbers = F.col("user").cast("int").alias("user"), F.col("item").cast("int").alias("item")
    with rows_per_batch(pairs.sparkSession, ROWS_PER_BATCH):
        rows = collect_arrow(pairs.select(*numbers, "strength"), LIKE_BYTES, "the likes", rows=likes)
    user, item, strength = (rows[name].to_numpy() for name in ("user", "item", "strength"))
    # numbers of 4 bytes stay so
    matrix = csr_array(coo_array((strength.astype(np.float32), (user, item)), shape=(users, items)))
    matrix.sort_indices()
    return matrix


@contextmanager
def likes_of(pairs: DataFrame, users: int, items: int) -> Iterator[Interactions]:
    """Yield the matrix of `pairs`, in which every row and column has an interaction, by `user_block` and `item_block`."""
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
    """Columns of BLOCK: the matrix of `pairs` (`strength`; numbers from 0 in `row` and `column`), by the blocks of its rows."""

    def pack(rows: pa.Table) -> pa.Table:
        where = rows["row"].to_numpy()
        begin = int(where.min())  # a block's first row, like all its rows, has a like
        where = where - begin
        many = int(where.max()) + 1
        order = np.lexsort((rows["column"].to_numpy(), where))
        ends = np.cumsum(np.bincount(where, minlength=many), dtype=np.int64)
        columns = rows["column"].to_numpy()[order].astype(np.int32)
        strengths = rows["strength"].to_numpy()[order].astype(np.float32)
        parts = [[part.tobytes()] for part in (ends, columns, strengths)]
        kinds = (pa.int32(), pa.int32(), pa.binary(), pa.binary(), pa.binary())
        names = ("first", "rows", "ends", "columns", "strengths")
        data = [pa.array(part, kind) for part, kind in zip([[begin], [many], *parts], kinds, strict=True)]
        return pa.table(dict(zip(names, data, strict=True)))

    numbers = F.col(row).cast("int").alias("row"), F.col(column).cast("int").alias("column")
    placed = pairs.select(f"{row}_block", *numbers, "strength")
    return placed.groupBy(f"{row}_block").applyInArrow(pack, BLOCK)


def unpacked(block: dict[str, Any], across: int) -> csr_array:
    """Return the sparse matrix [rows, across] of a row of BLOCK."""
    kinds = {"ends": np.int64, "columns": np.int32, "strengths": np.float32}
    # copies: torch wants arrays that may be written to
    ends, columns, strengths = (np.frombuffer(block[name], kind).copy() for name, kind in kinds.items())
    return csr_array((strengths, columns, np.append(0, ends)), shape=(block["rows"], across))
