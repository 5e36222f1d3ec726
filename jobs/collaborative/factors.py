"""Factors of tracks and users, where the live recipe is made of them: `pmrs run collaborative --date D`."""

from dataclasses import dataclass

from jobs.collaborative import ials
from jobs.collaborative.recipe import live_recipe
from jobs.collaborative.strengths import build_strengths, numbered
from jobs.context import JobContext
from jobs.lake.checkpoints import clear


@dataclass(frozen=True)
class Config:
    """Nothing of its own: the live recipe has the settings (jobs/collaborative/methods.py), and is an input."""


def run(ctx: JobContext) -> None:
    """Reads `history`, writes `item_factors` and `user_factors`: empty where nothing was rated, or a recipe has no use for them."""
    recipe, notify = live_recipe(ctx), ctx.night.notify
    factorised, settings = recipe.method.factorised, recipe.settings
    strengths = build_strengths(ctx.need("history"), settings.min_rating).cache()
    if factorised is not ials.factorised:
        # what a fit that died has left is nobody's any more
        clear(ctx.night.lake.store, ials.CHECKPOINT)
    if factorised is None or strengths.isEmpty():
        for table, key in (("item_factors", "track_id"), ("user_factors", "user_id")):
            ctx.write(table, ctx.spark.createDataFrame([], f"{key} string, factors array<float>"))
        return
    users, items = numbered(strengths, "user_id", "user").cache(), numbered(strengths, "track_id", "item").cache()
    step = f"fitting {recipe.method.title}"
    notify(step, 0, settings.iterations)

    def told(done: int) -> None:
        notify(step, done, settings.iterations)

    with factorised(strengths, users, items, settings, told, ctx.night.lake.store) as (tracks, listeners):
        ctx.write("item_factors", tracks)
        ctx.write("user_factors", listeners)
