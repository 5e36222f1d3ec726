"""Compare overall lists with those of the previous night, by user."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.ranking.rank import PERSONAL_TIERS
from jobs.recommenders.list_rules import OVERALL
from jobs.report.facts import Row, ratio

OVERLAP_AT = (10, 20)
"""Cutoffs of the overlap: one screen, and the full list."""


def user_lists(eligible: DataFrame, profiles: DataFrame, ranked: DataFrame, previous: DataFrame | None) -> DataFrame:
    """Return `user_id`, `n_seen`, `has_profile`, `current` and `previous`: arrays of (rank, track_id, tier).

    One row per user who is eligible, has an overall list or had one. `n_seen` is null for a user who is no longer
    eligible. One shuffle, and no join that could multiply rows.
    """
    null = F.lit(None)
    entry = F.struct("rank", "track_id", "tier")
    no_user = [null.cast("long").alias("n_seen"), F.lit(False).alias("has_profile")]
    no_lists = [
        null.cast("struct<rank:int,track_id:string,tier:string>").alias(name) for name in ("current", "previous")
    ]
    rows = eligible.select("user_id", "n_seen", F.lit(False).alias("has_profile"), *no_lists)
    with_profile = profiles.select(
        "user_id", null.cast("long").alias("n_seen"), F.lit(True).alias("has_profile"), *no_lists
    )
    current = ranked.where(F.col("list") == OVERALL).select("user_id", *no_user, entry.alias("current"), no_lists[1])
    rows = rows.unionByName(with_profile).unionByName(current)
    if previous is not None:
        earlier = previous.where(F.col("list") == OVERALL).select(
            "user_id", *no_user, no_lists[0], entry.alias("previous")
        )
        rows = rows.unionByName(earlier)
    lists = [F.sort_array(F.collect_list(name)).alias(name) for name in ("current", "previous")]
    grouped = rows.groupBy("user_id").agg(F.max("n_seen").alias("n_seen"), F.max("has_profile").alias("has_profile"), *lists)
    return grouped.where("n_seen IS NOT NULL OR size(current) > 0 OR size(previous) > 0")


def overlap(k: int) -> Column:
    """Return the share of the first `k` tracks that both nights have, 0 to 1; relative to the longer list if both are shorter."""
    current, previous = (F.slice(F.col(name)["track_id"], 1, k) for name in ("current", "previous"))
    common = F.size(F.array_intersect(current, previous))
    # the smallest divisor is 1: Spark raises on a division by 0, and two empty lists have no overlap
    return common / F.greatest(F.size(current), F.size(previous), F.lit(1))


def shifts() -> Column:
    """Return the absolute change of rank of each track that is in both lists."""
    previous = F.col("previous")["track_id"]
    stayed = F.filter("current", lambda entry: F.array_contains(previous, entry["track_id"]))
    return F.transform(stayed, lambda entry: F.abs(entry["rank"] - F.array_position(previous, entry["track_id"])))


def compare(lists: DataFrame, length: int, first: bool) -> Row:
    """Return counts and means over all rows of `user_lists`. `length`: N of the overall list.

    Users: users (with a list), eligible, with_history, with_profile (of those), full, short, listless, personal, partly,
    popular. Compared with the previous night: both, new, gone, unchanged, stayed (tracks), shift (mean
    change of rank), overlap_10 and overlap_20.
    """
    has, had = F.size("current") > 0, F.size("previous") > 0
    both = has & had
    n_personal = F.size(F.filter("current", lambda entry: entry["tier"].isin(*PERSONAL_TIERS)))
    moved = F.when(both, shifts())
    total = F.aggregate(moved, F.lit(0).cast("long"), lambda total, shift: total + shift)
    counts = (
        lists.agg(
            F.count_if(has).alias("users"),
            F.count("n_seen").alias("eligible"),
            F.count_if(F.col("n_seen") > 0).alias("with_history"),
            F.count_if((F.col("n_seen") > 0) & F.col("has_profile")).alias("with_profile"),
            F.count_if(F.size("current") >= length).alias("full"),
            F.count_if(has & (F.size("current") < length)).alias("short"),
            F.count_if(F.col("n_seen").isNotNull() & ~has).alias("listless"),
            F.count_if(has & (n_personal == F.size("current"))).alias("personal"),
            F.count_if(has & (n_personal > 0) & (n_personal < F.size("current"))).alias("partly"),
            F.count_if(has & (n_personal == 0)).alias("popular"),
            F.count_if(both).alias("both"),
            F.count_if(has & ~had).alias("new"),
            F.count_if(had & ~has).alias("gone"),
            F.count_if(both & (F.col("current")["track_id"] == F.col("previous")["track_id"])).alias("unchanged"),
            F.coalesce(F.sum(F.when(both, F.size(moved))), F.lit(0)).alias("stayed"),
            F.coalesce(F.sum(total), F.lit(0)).alias("shifted"),
            *[F.round(F.avg(F.when(both, overlap(k))), 6).alias(f"overlap_{k}") for k in OVERLAP_AT],
        )
        .collect()[0]
        .asDict()
    )
    shift = ratio(counts.pop("shifted"), counts["stayed"])
    return {"first": first, "length": length, **counts, "shift": shift}
