"""iALS on Spark: blocks of users and of tracks are solved by tasks, the other side's factors sent to every worker.

The mathematics, and what a block is, are models/ials.py: with the same blocks Spark's tasks and one machine's threads give the
same bits. Few likes make one block; those are solved here, without a task.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_array

from jobs.errors import LakeError
from jobs.lake.collect import DRIVER_BYTES, bounded
from models.als_rows import Fixed, fixed, solve
from models.ials import IALSConfig, block_rows, first, half_step
from models.top_n import Floats

ID_BYTES = 60
"""Of an id on the driver."""
Solve = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
BLOCK = "first int, rows int, ends binary, columns binary, strengths binary"
"""Rows `first` to `first + rows` of a sparse matrix: where each ends (int64), columns (int32) and strengths (float32)."""


def build_blocks(pairs: DataFrame, row: str, column: str, rows: int, size: int) -> DataFrame:
    """Columns of BLOCK: the matrix of `pairs` (`strength`; numbers from 0 in `row` and `column`), `size` rows a block."""

    def pack(key: tuple[pa.Scalar, ...], found: pa.Table) -> pa.Table:
        begin = key[0].as_py() * size
        many = min(size, rows - begin)
        where = found["row"].to_numpy() - begin
        order = np.lexsort((found["column"].to_numpy(), where))
        ends = np.cumsum(np.bincount(where, minlength=many), dtype=np.int64)
        columns = found["column"].to_numpy()[order].astype(np.int32)
        strengths = found["strength"].to_numpy()[order].astype(np.float32)
        parts = [[part.tobytes()] for part in (ends, columns, strengths)]
        kinds = (pa.int32(), pa.int32(), pa.binary(), pa.binary(), pa.binary())
        names = ("first", "rows", "ends", "columns", "strengths")
        data = [pa.array(part, kind) for part, kind in zip([[begin], [many], *parts], kinds, strict=True)]
        return pa.table(dict(zip(names, data, strict=True)))

    numbers = F.col(row).cast("int").alias("row"), F.col(column).cast("int").alias("column")
    placed = pairs.select(F.expr(f"cast({row} div {size} as int)").alias("block"), *numbers, "strength")
    return placed.groupBy("block").applyInArrow(pack, BLOCK)


def unpacked(block: dict[str, Any], across: int) -> csr_array:
    """The sparse matrix of a row of BLOCK [rows, across]."""
    kinds = {"ends": np.int64, "columns": np.int32, "strengths": np.float32}
    # copies: torch wants arrays that may be written to
    ends, columns, strengths = (np.frombuffer(block[name], kind).copy() for name, kind in kinds.items())
    return csr_array((strengths, columns, np.append(0, ends)), shape=(block["rows"], across))


@contextmanager
def factorised(
    strengths: DataFrame, users: DataFrame, items: DataFrame, config: IALSConfig, told: Callable[[int], object]
) -> Iterator[tuple[DataFrame, DataFrame]]:
    """(item factors: `track_id`, `factors`; user factors: `user_id`, `factors`), to be used while it is open.

    `strengths`: `user_id`, `track_id`, `strength`; `users`, `items`: each id with its number; `told` hears of each iteration.
    """
    pairs = strengths.join(users, "user_id").join(items, "track_id").select("user", "item", "strength")
    tracks = bounded(items.orderBy("item").select("track_id"), ID_BYTES, "the tracks' ids")
    with likes_of(pairs, users.count(), len(tracks)) as likes:
        found = fit(likes, config, told)
        factors = pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), config.rank).cast(pa.list_(pa.float32()))
        item_factors = pairs.sparkSession.createDataFrame(tracks.append_column("factors", factors))
        yield item_factors, folded(likes, found, config).join(users, "user").select("user_id", "factors")


@dataclass(frozen=True)
class Blocks:
    """One side of the likes, in blocks of rows."""

    frame: DataFrame
    """Columns of BLOCK, kept."""
    rows: int
    across: int
    here: list[pa.RecordBatch] | None
    """The blocks themselves where there is but one: solved by the driver."""

    def solved(self, solve: Solve, schema: str) -> pa.Table:
        """What `solve` makes of the blocks, in the columns of `schema`."""
        if self.here is None:
            return self.frame.mapInArrow(solve, schema).toArrow()
        with ThreadPoolExecutor(1) as pool:
            return pa.Table.from_batches(pool.submit(lambda: list(solve(iter(self.here or ())))).result())


@dataclass(frozen=True)
class Likes:
    """The likes of U users for I tracks, by either."""

    by_user: Blocks
    by_item: Blocks


@contextmanager
def likes_of(pairs: DataFrame, users: int, items: int) -> Iterator[Likes]:
    """The matrix of `pairs`: `user`, `item` (numbers from 0, all of them with a like) and `strength`. Kept while it is open."""
    count = pairs.count()
    sides = [_blocks(pairs, *side, count) for side in (("user", "item", users, items), ("item", "user", items, users))]
    try:
        yield Likes(*sides)
    finally:
        for side in sides:
            side.frame.unpersist()


def _blocks(pairs: DataFrame, row: str, column: str, rows: int, across: int, likes: int) -> Blocks:
    size = block_rows(rows, likes)
    frame = build_blocks(pairs, row, column, rows, size).persist(StorageLevel.MEMORY_AND_DISK)
    return Blocks(frame, rows, across, frame.toArrow().to_batches() if size >= rows else None)


def fit(likes: Likes, config: IALSConfig, told: Callable[[int], object]) -> Floats:
    """Item factors Y [I, F], as models/ials.py fits them on one machine; `told` hears of each iteration.

    Raises LakeError where the driver cannot hold both sides.
    """
    users, items = likes.by_user.rows, likes.by_item.rows
    needed = 4 * config.rank * (users + items)
    if needed > DRIVER_BYTES:
        raise LakeError(
            f"Factors of {users:,} users and {items:,} tracks by {config.rank} numbers are {needed / 2**30:.1f} GiB, more than "
            f"the driver's {DRIVER_BYTES / 2**30:.1f} GiB; take a lower rank, or raise DRIVER_BYTES with PMRS_DRIVER_MEMORY."
        )
    theirs = first(items, config.rank, config.seed).numpy()
    mine = np.zeros((users, config.rank), np.float32)
    for iteration in range(config.iterations):
        mine = _half_step(likes.by_user, theirs, mine, config)
        theirs = _half_step(likes.by_item, mine, theirs, config)
        told(iteration + 1)
    return theirs


@dataclass(frozen=True)
class _Here:
    """What a broadcast would be, where nothing is sent."""

    value: tuple[Floats, Floats]


def _half_step(rows: Blocks, other: Floats, own: Floats, config: IALSConfig) -> Floats:
    """The rows' new factors; both sides' go to every worker."""
    context, across = rows.frame.sparkSession.sparkContext, rows.across
    sent = context.broadcast((other, own)) if rows.here is None else _Here((other, own))
    gram = fixed(torch.from_numpy(other)).gram

    def step(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(1)  # Spark runs one task per core already
        theirs, before = sent.value
        side = Fixed(torch.from_numpy(theirs), gram, across)
        for batch in batches:
            for block in batch.to_pylist():
                begin = torch.from_numpy(before[block["first"] : block["first"] + block["rows"]])
                found = half_step(unpacked(block, across), side, begin, config)
                yield pa.record_batch({"first": [block["first"]], "factors": [found.numpy().tobytes()]})

    made = rows.solved(step, "first long, factors binary")
    if not isinstance(sent, _Here):
        sent.destroy()
    found = np.empty((rows.rows, config.rank), np.float32)
    for begin, part in zip(made["first"].to_pylist(), made["factors"].to_pylist(), strict=True):
        values = np.frombuffer(part, np.float32).reshape(-1, config.rank)
        found[begin : begin + len(values)] = values
    return found


def folded(likes: Likes, items: Floats, config: IALSConfig) -> DataFrame:
    """`user`, `factors`: every user's factors, solved exactly for item factors Y [I, F]."""
    sent, across = likes.by_user.frame.sparkSession.sparkContext.broadcast(items), len(items)
    gram = fixed(torch.from_numpy(items)).gram

    def fold(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(1)
        side = Fixed(torch.from_numpy(sent.value), gram, across)
        for batch in batches:
            for block in batch.to_pylist():
                found = solve(unpacked(block, across), side, config.objective).float().numpy()
                users = np.arange(block["first"], block["first"] + block["rows"])
                yield pa.record_batch({"user": users, "factors": pa.array(list(found), pa.list_(pa.float32()))})

    return likes.by_user.frame.mapInArrow(fold, "user long, factors array<float>")
