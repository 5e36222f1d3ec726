"""A few listeners whose lists the report shows, chosen by a rule and not by chance, with what is new for them."""

from collections.abc import Iterable

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.ranking.rank import PERSONAL_TIERS
from jobs.recommenders.list_rules import OVERALL
from jobs.report.difference import overlap
from jobs.report.facts import Row, rows_of

MOST = 4
"""Listeners shown."""
LOVED = 5
"""Best rated tracks shown of each."""
ROLES = {
    "longest": "Longest history",
    "shortest": "Shortest history with a wholly personal list",
    "newcomer": "No history yet",
    "changed": "Biggest change since the night before",
    "median": "A history of median length",
    "upper": "A history longer than three in four",
}
"""Whom we look for, in the order of preference; users of equal length: the last by id, where shortest the first."""
BETWEEN = {"median": 0.5, "upper": 0.75}
"""Quantiles of history length that fill the places of roles nobody has: a first night has no change, some sources no newcomer."""


def choose(lists: DataFrame) -> dict[str, Row]:
    """At most MOST different users by role, each with `user_id` and `heard`; from rows of `difference.listeners_lists`."""
    shown, heard = F.size("now") > 0, F.coalesce("heard", F.lit(0)).alias("heard")
    by_length = F.struct(heard, "user_id")
    listens = shown & (F.col("heard") > 0)
    own = F.forall("now", lambda place: place["tier"].isin(*PERSONAL_TIERS))
    both = shown & (F.size("then") > 0)
    moved = both & (F.col("now")["track_id"] != F.col("then")["track_id"])
    found = lists.agg(
        F.max(F.when(listens, by_length)).alias("longest"),
        F.min(F.when(listens & own, by_length)).alias("shortest"),
        F.min(F.when(shown & (heard == 0), by_length)).alias("newcomer"),
        F.min(F.when(moved, F.struct(F.round(overlap(20), 6).alias("overlap"), "user_id", heard))).alias("changed"),
        F.percentile_approx(F.when(listens, F.col("heard")), [*BETWEEN.values()]).alias("between"),
    ).collect()[0].asDict(recursive=True)
    lengths = found.pop("between") or []
    picked = _different(found)
    for role, length in zip(BETWEEN, lengths, strict=False):
        if len(picked) < MOST:
            picked |= _of_length(lists.where(shown), role, length, picked)
    return picked


def _of_length(lists: DataFrame, role: str, length: int, picked: dict[str, Row]) -> dict[str, Row]:
    """The first user by id with a history of this length who has no role yet, if any."""
    known = [one["user_id"] for one in picked.values()]
    user = lists.where((F.col("heard") == length) & ~F.col("user_id").isin(known)).agg(F.min("user_id")).collect()[0][0]
    return {} if user is None else {role: {"user_id": user, "heard": length}}


def _different(found: dict[str, Row | None]) -> dict[str, Row]:
    """The first MOST, no user twice."""
    kept: dict[str, Row] = {}
    for role, one in found.items():
        known = {other["user_id"] for other in kept.values()}
        if one is not None and one["user_id"] not in known and len(kept) < MOST:
            kept[role] = {"user_id": one["user_id"], "heard": one["heard"]}
    return kept


def places(users: Iterable[str], ranked: DataFrame, before: DataFrame | None, music: DataFrame) -> list[Row]:
    """Overall lists of these users: `user_id`, `rank` (null: went out), `before` (null: is new), track, genre, score, why."""
    wanted = F.col("user_id").isin(list(users)) & (F.col("list") == OVERALL)
    now = ranked.where(wanted).select("user_id", "track_id", "rank", "score", "tier", "why")
    old = (ranked.limit(0) if before is None else before).where(wanted)
    then = old.select("user_id", "track_id", F.col("rank").alias("before"))
    joined = now.join(then, ["user_id", "track_id"], "full").join(music.select("track_id", "title", "artist", "genre"), "track_id")
    return rows_of(joined.orderBy("user_id", F.col("rank").asc_nulls_last(), "before"))


def loved(users: Iterable[str], history: DataFrame, music: DataFrame) -> list[Row]:
    """The best rated tracks of these users: `user_id`, title, artist, rating, plays."""
    order = Window.partitionBy("user_id").orderBy(F.desc("rating"), F.desc("plays"), "track_id")
    mine = history.where(F.col("user_id").isin(list(users))).withColumn("place", F.row_number().over(order))
    named = mine.where(F.col("place") <= LOVED).join(music.select("track_id", "title", "artist"), "track_id")
    fields = ("user_id", "place", "track_id", "title", "artist", "rating", "plays")
    return rows_of(named.select(*fields).orderBy("user_id", "place"))


def sections(chosen: dict[str, Row], listed: list[Row], best: list[Row]) -> list[Row]:
    """Per listener, in the order of ROLES: anchor, role, user_id, heard, loved, items (ranked), out, new (counts places)."""
    made = []
    for number, (role, one) in enumerate(chosen.items(), 1):
        user = one["user_id"]
        mine = [row for row in listed if row["user_id"] == user]
        items = [row for row in mine if row["rank"] is not None]
        made.append({
            "anchor": f"example-{number}",
            "role": ROLES[role],
            "user_id": user,
            "heard": one["heard"],
            "loved": [row for row in best if row["user_id"] == user],
            "items": items,
            "out": [row for row in mine if row["rank"] is None],
            "new": sum(row["before"] is None for row in items),
            "returning": any(row["before"] is not None for row in mine),
        })  # fmt: skip
    return made
