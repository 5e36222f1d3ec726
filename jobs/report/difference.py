"""How overall lists differ from those of the night before, by listener."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.ranking.rank import PERSONAL_TIERS
from jobs.recommenders.list_rules import OVERALL
from jobs.report.facts import Row, ratio

SHOWN = (10, 20)
"""N at which the overlap is told: what one screen shows, and the whole list."""


def listeners_lists(listeners: DataFrame, profiles: DataFrame, ranked: DataFrame, before: DataFrame | None) -> DataFrame:
    """`user_id`, `heard` (null: no listener any more), `profiled`, `now`, `then`: arrays of (rank, track_id, tier).

    One row per user who listens, has an overall list or had one; one shuffle, and no join that could multiply rows.
    """
    empty = F.lit(None)
    place = F.struct("rank", "track_id", "tier")
    nobody = [empty.cast("long").alias("heard"), F.lit(False).alias("profiled")]
    nowhere = [empty.cast("struct<rank:int,track_id:string,tier:string>").alias(name) for name in ("now", "then")]
    rows = listeners.select("user_id", F.col("n_seen").alias("heard"), F.lit(False).alias("profiled"), *nowhere)
    known = profiles.select("user_id", empty.cast("long").alias("heard"), F.lit(True).alias("profiled"), *nowhere)
    now = ranked.where(F.col("list") == OVERALL).select("user_id", *nobody, place.alias("now"), nowhere[1])
    rows = rows.unionByName(known).unionByName(now)
    if before is not None:
        then = before.where(F.col("list") == OVERALL).select("user_id", *nobody, nowhere[0], place.alias("then"))
        rows = rows.unionByName(then)
    lists = [F.sort_array(F.collect_list(name)).alias(name) for name in ("now", "then")]
    grouped = rows.groupBy("user_id").agg(F.max("heard").alias("heard"), F.max("profiled").alias("profiled"), *lists)
    return grouped.where("heard IS NOT NULL OR size(now) > 0 OR size(then) > 0")


def overlap(most: int) -> Column:
    """Share of the first `most` places that hold tracks of both nights, 0 to 1; of the longer list where both are short."""
    now, then = (F.slice(F.col(name)["track_id"], 1, most) for name in ("now", "then"))
    common = F.size(F.array_intersect(now, then))
    # the least divisor is 1: Spark raises where a list is divided by nothing, and both empty have nothing in common
    return common / F.greatest(F.size(now), F.size(then), F.lit(1))


def shifts() -> Column:
    """Per track that stands in both lists: by how many ranks it moved."""
    then = F.col("then")["track_id"]
    stayed = F.filter("now", lambda place: F.array_contains(then, place["track_id"]))
    return F.transform(stayed, lambda place: F.abs(place["rank"] - F.array_position(then, place["track_id"])))


def compare(lists: DataFrame, length: int, first: bool) -> Row:
    """Counts and means over all listeners, from rows of `listeners_lists`. `length`: N of the overall list.

    users, listeners, heard, profiled (of those who heard something), full, short, listless, personal, partly, popular; and
    against the night before: both, new, gone, unchanged, stayed (tracks), shift (mean ranks), overlap_10 and overlap_20.
    """
    has, had = F.size("now") > 0, F.size("then") > 0
    both = has & had
    own = F.size(F.filter("now", lambda place: place["tier"].isin(*PERSONAL_TIERS)))
    moved = F.when(both, shifts())
    total = F.aggregate(moved, F.lit(0).cast("long"), lambda sum_, shift: sum_ + shift)
    found = lists.agg(
        F.count_if(has).alias("users"),
        F.count("heard").alias("listeners"),
        F.count_if(F.col("heard") > 0).alias("heard"),
        F.count_if((F.col("heard") > 0) & F.col("profiled")).alias("profiled"),
        F.count_if(F.size("now") >= length).alias("full"),
        F.count_if(has & (F.size("now") < length)).alias("short"),
        F.count_if(F.col("heard").isNotNull() & ~has).alias("listless"),
        F.count_if(has & (own == F.size("now"))).alias("personal"),
        F.count_if(has & (own > 0) & (own < F.size("now"))).alias("partly"),
        F.count_if(has & (own == 0)).alias("popular"),
        F.count_if(both).alias("both"),
        F.count_if(has & ~had).alias("new"),
        F.count_if(had & ~has).alias("gone"),
        F.count_if(both & (F.col("now")["track_id"] == F.col("then")["track_id"])).alias("unchanged"),
        F.coalesce(F.sum(F.when(both, F.size(moved))), F.lit(0)).alias("stayed"),
        F.coalesce(F.sum(total), F.lit(0)).alias("shifted"),
        *[F.round(F.avg(F.when(both, overlap(most))), 6).alias(f"overlap_{most}") for most in SHOWN],
    ).collect()[0].asDict()
    shift = ratio(found.pop("shifted"), found["stayed"])
    return {"first": first, "length": length, **found, "shift": shift}
