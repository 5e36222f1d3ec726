"""Factors of tracks and users, if the live ranker has any: `pmrs run collaborative --date D`."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame

from jobs.collaborative.config import CollaborativeConfig
from jobs.collaborative.incremental import reusable_item_factors, warm_start
from jobs.context import JobContext
from jobs.lake.checkpoints import clear
from jobs.lake.schemas import table
from jobs.lake.user_items import build_user_items, user_blocks
from jobs.recommenders import ials
from jobs.recommenders.confidence import build_confidence, numbered
from jobs.recommenders.methods import factors_of
from jobs.recommenders.ranker_config import live_ranker
from jobs.spark import rows_per_batch
from models.exact_index import USER_BATCH
from models.ials import ALSModel


def run(ctx: JobContext) -> None:
    """Read `history`; write `item_factors` and `user_factors`.

    Both tables are empty if there are no ratings, or if the live ranker has no factors.
    """
    config: CollaborativeConfig = ctx.config  # type: ignore[assignment]
    ranker, history, on_progress = live_ranker(ctx), ctx.read_required("history"), ctx.night.on_progress
    factorize, settings = ranker.method.factorize, ranker.settings
    # read from the lake on every use, one or two columns: a cache with the ids would fill the heap
    interactions = build_confidence(history, settings.min_rating)
    if factorize is not ials.factorize:
        # no other fit resumes from the checkpoint of a killed one
        clear(ctx.night.lake.store, ials.CHECKPOINT)
    if factorize is None or interactions.isEmpty():
        ctx.write_empty("item_factors", "user_factors")
        return
    items_before = reusable_item_factors(ctx, ranker, config.fit_every)
    if items_before is not None:
        on_progress("folding users in", 0, 0)
        items = ctx.write("item_factors", items_before)
        tasks = -(-ctx.rows_of("eligible_users") // config.users_per_task)
        with rows_per_batch(ctx.spark, USER_BATCH):
            ctx.write("user_factors", build_folded(history, *factors_of(items, settings), tasks))
        return
    users, items = numbered(interactions, "user_id", "user").cache(), numbered(interactions, "track_id", "item").cache()
    step = f"fitting {ranker.method.title}"
    on_progress(step, 0, settings.iterations)

    def on_iteration(done: int) -> None:
        on_progress(step, done, settings.iterations)

    start = warm_start(ctx, ranker, config.warm_iterations)
    with factorize(interactions, users, items, settings, on_iteration, ctx.night.lake.store, start) as (item_rows, user_rows):
        ctx.write("item_factors", item_rows)
        ctx.write("user_factors", user_rows)
    for numbers in (users, items):
        numbers.unpersist()


def build_folded(history: DataFrame, model: ALSModel, track_ids: tuple[str, ...], tasks: int) -> DataFrame:
    """Return table `user_factors`: all users with an interaction, folded in with fixed track factors.

    See Hu et al. 2008, Eq. 4.
    """
    broadcast = history.sparkSession.sparkContext.broadcast(model)
    schema = table("user_factors").read_schema

    def fold(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for user_ids, user_items in user_blocks(batches, USER_BATCH, len(track_ids)):
            factors = pa.array(list(broadcast.value.fold_in(user_items)), pa.list_(pa.float32()))
            yield pa.record_batch([user_ids, factors], schema.names)

    return build_user_items(history, track_ids, model.min_rating, max(1, tasks)).mapInArrow(fold, schema)
