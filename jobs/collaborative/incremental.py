"""What a night keeps of the one before: the fit of the tracks, and the candidates of users for whom nothing has changed.

A fit is kept where the settings say so (`fit_every`), recipe and program are the same, and nobody has asked to be forgotten since:
then users alone are folded in, new ones and those with a single play like all others. Where lists are found by searching factors
(no genre lists, and not PMRS's own), lists of equal users are equal, whoever is scored beside them: only users with other ratings
than before are scored, and the table is that of a whole run.
"""

import datetime as dt
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.job_config import config_dict
from jobs.lake.manifest import Manifest, code_version
from jobs.lake.partitions import Partitions
from jobs.recommenders.ials import Before
from jobs.recommenders.ranker_config import RANKING, Recipe

WISHES = "deletions|all_content"
ASKED_OF = ("item_factors|date", f"model|{RANKING}", WISHES)
"""Inputs of the job `candidates` besides what users have heard."""


def kept_items(ctx: JobContext, recipe: Recipe, fit_every: int) -> DataFrame | None:
    """Table `item_factors` of the night before, where tonight is to go by it; None: fit.

    Dates are counted from a fixed one, so that backfilled weeks are fitted on the days on which the first run fitted.
    """
    if fit_every < 2:
        return None
    ctx.read("deletions", Partitions.ALL_CONTENT)  # an input of every night that others may go by
    return None if ctx.date.toordinal() % fit_every == 0 else _eve(ctx, recipe)


def warm_start(ctx: JobContext, recipe: Recipe, iterations: int) -> Before | None:
    """Where tonight's fit begins; None: at random numbers, as without `iterations`, in a backfill and in the past."""
    if not iterations or ctx.backfill:
        return None
    ctx.read("deletions", Partitions.ALL_CONTENT)
    night = ctx.night.date.isoformat()
    if any(date > night for date in ctx.night.lake.dates("item_factors")):
        return None
    items = _eve(ctx, recipe)
    return None if items is None else Before(items, ctx.inputs["item_factors|previous"], iterations)


def _eve(ctx: JobContext, recipe: Recipe) -> DataFrame | None:
    """Table `item_factors` of the night before, of tracks that are still in the catalogue; None where it has
    none of this recipe and this program, or somebody has asked to be forgotten since.
    """
    eve = (ctx.night.date - dt.timedelta(days=1)).isoformat()
    made = ctx.night.lake.manifest("item_factors", eve)
    before = ctx.read("item_factors", Partitions.PREVIOUS)
    if made is None or not made.rows:
        return None
    same = made.inputs.get(f"model|{RANKING}") == recipe.digest and made.inputs.get(WISHES) == ctx.inputs[WISHES]
    if not same or made.code != code_version():
        return None
    return before.join(ctx.read_required("tracks").select("track_id"), "track_id", "left_semi")


@dataclass(frozen=True)
class Scored:
    """An earlier night's candidates, made by what tonight's would be made by."""

    candidates: DataFrame
    inputs: DataFrame
    """Table `scored`."""


def build_scored(listeners: DataFrame) -> DataFrame:
    """Table `scored`: `user_id`, `inputs`, a 64-bit hash of `items` and `ratings`, the columns of `build_listeners`."""
    return listeners.select("user_id", F.xxhash64("items", "ratings").alias("fingerprint"))


def scored_before(ctx: JobContext) -> Scored | None:
    """The newest candidates up to tonight, where everything that they were made of but the histories is as it is now."""
    lake, night = ctx.night.lake, ctx.night.date.isoformat()
    dates = [date for date in lake.dates("candidates") if date <= night]
    pair = [lake.manifest(name, dates[-1]) for name in ("candidates", "candidate_fingerprints")] if dates else []
    found = [made for made in pair if made is not None and made.folder and _made_alike(ctx, made)]
    # of two runs, one of which died between its two tables, neither goes with the other
    if len(found) < 2 or (found[0].run_id, found[0].inputs) != (found[1].run_id, found[1].inputs):
        return None
    rows, inputs = (lake.read_folder(ctx.spark, made.table, made.folder) for made in found)
    return Scored(rows, inputs)


def _made_alike(ctx: JobContext, made: Manifest) -> bool:
    same_inputs = all(made.inputs.get(label) == ctx.inputs.get(label) for label in ASKED_OF)
    return same_inputs and made.config == config_dict(ctx.config) and made.code == code_version()


def unchanged(scored: DataFrame, before: Scored) -> DataFrame:
    """`user_id` of whoever has in `scored` the inputs of before."""
    return scored.join(before.inputs, ["user_id", "fingerprint"], "left_semi").select("user_id")
