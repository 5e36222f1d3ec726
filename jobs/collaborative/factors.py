"""Factors of tracks and users, where the live recipe is made of them: `pmrs run collaborative --date D`."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame

from jobs.collaborative.incremental import kept_items, warm_start
from jobs.context import JobContext
from jobs.lake.checkpoints import clear
from jobs.lake.schemas import table
from jobs.lake.user_items import blocks_of, build_listeners
from jobs.recommenders import ials
from jobs.recommenders.confidence import build_strengths, numbered
from jobs.recommenders.methods import factors_of
from jobs.recommenders.ranker_config import live_recipe
from jobs.spark import rows_per_batch
from models.exact_index import USER_BATCH
from models.ials import ALSModel


@dataclass(frozen=True)
class Config:
    """When is fitted; what is fitted, and how, is the live recipe's affair (jobs/recommenders/methods.py), and an input."""

    fit_every: int = 1
    """Nights that share a fit of the tracks: 7 fits once a week, and in between folds users in, scoring those alone who listened
    where there are no lists of genres. 1: every night fits, so that a track that is new today is in tonight's lists."""
    warm_iterations: int = 0
    """Iterations of a fit that begins with the night before's track factors, where the recipe is the same, nobody has asked to be
    forgotten since, no later night is there, and it is not a backfill; 0: every fit begins anew, and a night is the same whichever
    were before it."""
    users_per_task: int = 2_000
    """Users that a task folds in."""


def run(ctx: JobContext) -> None:
    """Reads `history`, writes `item_factors` and `user_factors`: empty where nothing was rated, or a recipe has no use for them."""
    config: Config = ctx.config  # type: ignore[assignment]
    recipe, history, notify = live_recipe(ctx), ctx.read_required("history"), ctx.night.on_progress
    factorised, settings = recipe.method.factorised, recipe.settings
    # read from the lake each time it is asked, a column or two: kept with its ids it would fill the heap
    strengths = build_strengths(history, settings.min_rating)
    if factorised is not ials.factorised:
        # what a fit that died has left is nobody's any more
        clear(ctx.night.lake.store, ials.CHECKPOINT)
    if factorised is None or strengths.isEmpty():
        ctx.write_empty("item_factors", "user_factors")
        return
    items_before = kept_items(ctx, recipe, config.fit_every)
    if items_before is not None:
        notify("folding listeners in", 0, 0)
        kept = ctx.write("item_factors", items_before)
        tasks = -(-ctx.read_required("eligible_users").count() // config.users_per_task)
        with rows_per_batch(ctx.spark, USER_BATCH):
            ctx.write("user_factors", build_folded(history, *factors_of(kept, settings), tasks))
        return
    users, items = numbered(strengths, "user_id", "user").cache(), numbered(strengths, "track_id", "item").cache()
    step = f"fitting {recipe.method.title}"
    notify(step, 0, settings.iterations)

    def told(done: int) -> None:
        notify(step, done, settings.iterations)

    before = warm_start(ctx, recipe, config.warm_iterations)
    with factorised(strengths, users, items, settings, told, ctx.night.lake.store, before) as (tracks, listeners):
        ctx.write("item_factors", tracks)
        ctx.write("user_factors", listeners)
    for numbers in (users, items):
        numbers.unpersist()


def build_folded(history: DataFrame, model: ALSModel, track_ids: tuple[str, ...], tasks: int) -> DataFrame:
    """Table `user_factors`: everybody who likes one of the tracks, folded in by factors that stay (Hu, Koren, Volinsky, Eq. 4)."""
    everywhere = history.sparkSession.sparkContext.broadcast(model)
    schema = table("user_factors").read_schema

    def fold(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for user_ids, asked in blocks_of(batches, USER_BATCH, len(track_ids)):
            factors = pa.array(list(everywhere.value.fold_in(asked)), pa.list_(pa.float32()))
            yield pa.record_batch([user_ids, factors], schema.names)

    return build_listeners(history, track_ids, model.min_rating, max(1, tasks)).mapInArrow(fold, schema)
