"""Factors of tracks and users, where the live recipe is made of them: `pmrs run collaborative --date D`."""

from dataclasses import dataclass

from jobs.collaborative import als
from jobs.collaborative.recipe import live_recipe
from jobs.context import JobContext


@dataclass(frozen=True)
class Config:
    """Nothing of its own: the live recipe has the settings (jobs/collaborative/als.py), and is an input."""


def run(ctx: JobContext) -> None:
    """Reads `history`, writes `item_factors` and `user_factors`: empty where nothing was rated, or a recipe has no use for them."""
    recipe = live_recipe(ctx)
    strengths = als.build_strengths(ctx.need("history"), recipe.settings.min_rating).cache()
    if not recipe.method.by_factors or strengths.isEmpty():
        for table, key in (("item_factors", "track_id"), ("user_factors", "user_id")):
            ctx.write(table, ctx.spark.createDataFrame([], f"{key} string, factors array<float>"))
        return
    users = als.numbered(strengths, "user_id", "user").cache()
    items = als.numbered(strengths, "track_id", "item").cache()
    ctx.night.notify("fitting implicit ALS", 0, 0)
    item_factors, user_factors = als.fit(strengths, users, items, recipe.settings)
    ctx.write("item_factors", item_factors.join(items, "item").select("track_id", "factors"))
    ctx.write("user_factors", user_factors.join(users, "user").select("user_id", "factors"))
