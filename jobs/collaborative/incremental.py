"""Reuse of the previous night: its track factors, and the candidates of users whose ratings are unchanged.

Track factors are reused if the settings allow it (`fit_every`), ranker and program are the same, and no deletion
request is new; all users are folded in. Lists that are searched in factors (no genre lists, not PMRS's ranker) depend
on the user alone. So only users with changed ratings are scored, and the table equals that of a full run.
"""

import datetime as dt
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.job_config import config_dict
from jobs.lake.inputs import config_input, model_input, table_input
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import Partitions
from jobs.recommenders.ials import WarmStart
from jobs.recommenders.ranker_config import RANKING, RankerConfig

DELETIONS = table_input("deletions", Partitions.ALL_CONTENT)
PREVIOUS_FACTORS = table_input("item_factors", Partitions.PREVIOUS)
LIVE_RANKER = model_input(RANKING)
SHARED_INPUTS = tuple(
    item.label()
    for item in (table_input("item_factors", Partitions.DATE), LIVE_RANKER, DELETIONS, config_input("rank"))
)
"""Inputs of the job `candidates` besides the histories."""


def reusable_item_factors(ctx: JobContext, ranker: RankerConfig, fit_every: int) -> DataFrame | None:
    """Return table `item_factors` of the night before if this night reuses it; None: fit.

    Days are counted from a fixed date, so that a backfill fits on the same days as the first run.
    """
    if fit_every < 2:
        return None
    ctx.read("deletions", Partitions.ALL_CONTENT)  # an input of every night whose factors a later night may reuse
    return None if ctx.date.toordinal() % fit_every == 0 else _previous_item_factors(ctx, ranker)


def warm_start(ctx: JobContext, ranker: RankerConfig, iterations: int) -> WarmStart | None:
    """Return where this night's fit starts; None: a cold start, as without `iterations`, in a backfill or a past night."""
    if not iterations or ctx.backfill:
        return None
    ctx.read("deletions", Partitions.ALL_CONTENT)
    night = ctx.night.date.isoformat()
    if any(date > night for date in ctx.night.lake.dates("item_factors")):
        return None
    items = _previous_item_factors(ctx, ranker)
    return None if items is None else WarmStart(items, ctx.inputs[PREVIOUS_FACTORS.label()], iterations)


def _previous_item_factors(ctx: JobContext, ranker: RankerConfig) -> DataFrame | None:
    """Return the item factors of the night before for tracks that are still in the catalogue.

    None if they are of another ranker or program, or if a deletion request is new.
    """
    previous = (ctx.night.date - dt.timedelta(days=1)).isoformat()
    manifest = ctx.night.lake.manifest("item_factors", previous)
    factors = ctx.read("item_factors", Partitions.PREVIOUS)
    if manifest is None or not manifest.rows:
        return None
    same_ranker = manifest.input(LIVE_RANKER) == ranker.digest
    same_deletions = manifest.input(DELETIONS) == ctx.inputs[DELETIONS.label()]
    if not (same_ranker and same_deletions) or manifest.code != ctx.code:
        return None
    return factors.join(ctx.read_required("tracks").select("track_id"), "track_id", "left_semi")


@dataclass(frozen=True)
class PreviousCandidates:
    """Candidates of an earlier night whose inputs, histories aside, equal this night's."""

    candidates: DataFrame
    fingerprints: DataFrame
    """Table `candidate_fingerprints`."""


def build_fingerprints(user_items: DataFrame) -> DataFrame:
    """Return table `candidate_fingerprints` of rows of `build_user_items`: a 64-bit hash of `items` and `ratings`."""
    return user_items.select("user_id", F.xxhash64("items", "ratings").alias("fingerprint"))


def previous_candidates(ctx: JobContext) -> PreviousCandidates | None:
    """Return the newest candidates up to this night if all their inputs but the histories equal this night's."""
    lake, night = ctx.night.lake, ctx.night.date.isoformat()
    dates = [date for date in lake.dates("candidates") if date <= night]
    pair = [lake.manifest(name, dates[-1]) for name in ("candidates", "candidate_fingerprints")] if dates else []
    fitting = [manifest for manifest in pair if manifest is not None and manifest.folder and _same_inputs(ctx, manifest)]
    # the two tables belong together only if one run wrote both
    if len(fitting) < 2 or (fitting[0].run_id, fitting[0].inputs) != (fitting[1].run_id, fitting[1].inputs):
        return None
    rows, fingerprints = (lake.read_folder(ctx.spark, manifest.table, manifest.folder) for manifest in fitting)
    return PreviousCandidates(rows, fingerprints)


def _same_inputs(ctx: JobContext, manifest: Manifest) -> bool:
    same = all(manifest.inputs.get(label) == ctx.inputs.get(label) for label in SHARED_INPUTS)
    return same and manifest.config == config_dict(ctx.config) and manifest.code == ctx.code


def unchanged_users(fingerprints: DataFrame, previous: PreviousCandidates) -> DataFrame:
    """Return `user_id` of users whose fingerprint is that of the earlier night."""
    return fingerprints.join(previous.fingerprints, ["user_id", "fingerprint"], "left_semi").select("user_id")
