"""iALS in a night: on the driver's threads, or in blocks of users and of tracks that Spark's tasks solve.

The mathematics and the blocks are in models/ials.py. `memory_estimate.on_driver` chooses between the two ways, which
give the same bits. The factors of the other side are broadcast to the tasks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.code_version import code_version
from jobs.lake.adapters.factors import factors_in
from jobs.lake.checkpoints import Checkpoint
from jobs.lake.collect import collect_arrow
from jobs.lake.files import FileStore
from jobs.log import logger
from jobs.recommenders import als_blocks
from jobs.recommenders.als_blocks import Blocks, Interactions
from jobs.recommenders.memory_estimate import ID_BYTES, counted, on_driver
from jobs.spark import rows_per_batch
from models import ials
from models.als_solver import FixedSide, solve, with_gram
from models.ials import ALSState, IALSConfig, half_step, init_state
from models.torch_device import best_device
from models.types import F32

LOG = logger(__name__)
CHECKPOINT = "collaborative"
"""Name of this fit's checkpoints in the lake."""
MAX_BROADCAST_USERS = 5_000_000
"""Maximum number of users to broadcast to every worker (about 100 bytes each), so that nothing is sorted by user."""


@dataclass(frozen=True)
class WarmStart:
    """Start of a warm fit: the track factors of an earlier night."""

    items: DataFrame
    """`track_id`, `factors`."""
    digest: str
    """Digest of these rows."""
    iterations: int
    """Iterations of a fit that starts here; the settings' iterations are the maximum."""


@contextmanager
def factorize(
    interactions: DataFrame,
    users: DataFrame,
    items: DataFrame,
    config: IALSConfig,
    on_iteration: Callable[[int], object],
    store: FileStore,
    start_from: WarmStart | None = None,
) -> Iterator[tuple[DataFrame, DataFrame]]:
    """Yield (item factors: `track_id`, `factors`; user factors: `user_id`, `factors`), valid while the context is open.

    `interactions`: `user_id`, `track_id`, `confidence`. `users`, `items`: rows of `confidence.numbered`. `on_iteration`:
    called after each iteration with its number. `store`: the lake's; a killed fit of the same interactions and settings
    resumes from its checkpoint there. The checkpoint is deleted once the factors were used without an error.
    `start_from`: initial track factors; None: random numbers. Raises LakeError if the memory does not suffice
    (jobs/recommenders/memory_estimate.py).
    """
    counts = counted(users, items)
    here, n_users = on_driver(interactions, counts, config), counts.users.rows
    determined_by: dict[str, Any] = {"code": code_version(__name__), "interactions": asdict(counts), "settings": asdict(config)}
    if start_from:
        config = replace(config, iterations=min(start_from.iterations, config.iterations))
        determined_by |= {"before": start_from.digest, "iterations": config.iterations}
    checkpoint = Checkpoint(store, CHECKPOINT, determined_by)
    tracks = collect_arrow(items.orderBy("item").select("track_id"), ID_BYTES, "the tracks' ids")
    start, save = (
        _resume(checkpoint) or _start_state(start_from, n_users, tracks, config),
        partial(_save, checkpoint, on_iteration),
    )
    by_user, by_item = users.select("user_id", "user", "user_block"), items.select("track_id", "item", "item_block")
    user_numbers = F.broadcast(by_user) if n_users <= MAX_BROADCAST_USERS else by_user
    pairs = interactions.join(F.broadcast(by_item), "track_id").join(user_numbers, "user_id").drop("user_id", "track_id")
    spark = pairs.sparkSession
    if here:
        matrix = als_blocks.matrix_on_driver(pairs, n_users, len(tracks), counts.interactions)
        factors = ials.fit_als(matrix, config, start, save)
        user_ids = collect_arrow(users.orderBy("user").select("user_id"), ID_BYTES, "the users' ids")
        yield _frame(spark, tracks, factors), _frame(spark, user_ids, ials.fold_in(matrix, factors, config))
    else:
        with als_blocks.interaction_blocks(pairs, n_users, len(tracks)) as matrix_of:
            factors = fit(matrix_of, config, start, save)
            yield (
                _frame(spark, tracks, factors),
                folded(matrix_of, factors, config).join(users, "user").select("user_id", "factors"),
            )
    checkpoint.drop()


def _save(checkpoint: Checkpoint, on_iteration: Callable[[int], object], state: ALSState) -> None:
    checkpoint.save({"users": state.users, "items": state.items, "iteration": np.array(state.iteration)})
    on_iteration(state.iteration)


def _resume(checkpoint: Checkpoint) -> ALSState | None:
    """Return the state of an earlier fit from its checkpoint; None without one."""
    if (tensors := checkpoint.load()) is None:
        return None
    LOG.info("resuming an interrupted fit", iterations_done=int(tensors["iteration"]))
    return ALSState(tensors["users"], tensors["items"], int(tensors["iteration"]))


def _start_state(start: WarmStart | None, users: int, tracks: pa.Table, config: IALSConfig) -> ALSState:
    """Return the initial state; tracks with factors in `start` begin with these."""
    state = init_state(users, len(tracks), config)
    if start:
        previous = collect_arrow(start.items, ID_BYTES + 4 * config.rank, "the track factors of the night before")
        index = pa.compute.index_in(previous["track_id"], tracks["track_id"].combine_chunks())
        previous, index = previous.filter(index.is_valid()), index.drop_null()
        state.items[index.to_numpy()] = factors_in(previous)
    return state


def _frame(spark: SparkSession, ids: pa.Table, factors: F32) -> DataFrame:
    """Return ids with their factors [N, F]."""
    column = pa.FixedSizeListArray.from_arrays(pa.array(factors.ravel()), factors.shape[1]).cast(pa.list_(pa.float32()))
    with rows_per_batch(spark, als_blocks.ROWS_PER_BATCH // 10):
        return spark.createDataFrame(ids.append_column("factors", column))


def fit(
    interactions: Interactions, config: IALSConfig, state: ALSState, on_iteration: Callable[[ALSState], object]
) -> F32:
    """Return item factors Y [I, F], fitted from `state` on as models/ials.py does on one machine."""
    for iteration in range(state.iteration, config.iterations):
        user_factors = _half_step(interactions.by_user, state.items, state.users, config)
        state = ALSState(
            user_factors, _half_step(interactions.by_item, user_factors, state.items, config), iteration + 1
        )
        on_iteration(state)
    return state.items


def _half_step(rows: Blocks, other: F32, own: F32, config: IALSConfig) -> F32:
    """Return the new factors of the rows; the factors of both sides are broadcast."""
    across = rows.across
    sent = rows.frame.sparkSession.sparkContext.broadcast((other, own))
    gram = with_gram(torch.from_numpy(other)).gram

    def step(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(1)  # Spark runs one task per core already
        fixed, previous = sent.value
        device = best_device()
        side = FixedSide(torch.from_numpy(fixed).to(device), gram.to(device), across)
        for batch in batches:
            for block in batch.to_pylist():
                begin = torch.from_numpy(previous[block["first"] : block["first"] + block["rows"]])
                factors = half_step(als_blocks.unpacked(block, across), side, begin, config)
                yield pa.record_batch({"first": [block["first"]], "factors": [factors.numpy().tobytes()]})

    parts = rows.solved(step, "first long, factors binary")
    sent.destroy()
    # a row without an interaction is in no block: its factors are 0
    factors = np.zeros((rows.rows, config.rank), np.float32)
    for begin, part in zip(parts["first"].to_pylist(), parts["factors"].to_pylist(), strict=True):
        values = np.frombuffer(part, np.float32).reshape(-1, config.rank)
        factors[begin : begin + len(values)] = values
    return factors


def folded(interactions: Interactions, items: F32, config: IALSConfig) -> DataFrame:
    """Return `user`, `factors`: every user's factors, solved exactly for item factors Y [I, F]."""
    sent, across = interactions.by_user.frame.sparkSession.sparkContext.broadcast(items), len(items)
    gram = with_gram(torch.from_numpy(items)).gram

    def fold(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(1)
        device = best_device()
        side = FixedSide(torch.from_numpy(sent.value).to(device), gram.to(device), across)
        for batch in batches:
            for block in batch.to_pylist():
                factors = solve(als_blocks.unpacked(block, across), side, config.objective).float().cpu().numpy()
                users = np.arange(block["first"], block["first"] + block["rows"])
                yield pa.record_batch({"user": users, "factors": pa.array(list(factors), pa.list_(pa.float32()))})

    return interactions.by_user.frame.mapInArrow(fold, "user long, factors array<float>")
