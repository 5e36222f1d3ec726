"""Example users of the report, chosen by fixed rules, with the changes of their lists."""

from collections.abc import Iterable

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.ranking.rank import PERSONAL_TIERS
from jobs.recommenders.list_rules import OVERALL
from jobs.report.difference import overlap
from jobs.report.facts import Row, rows_of

MAX_EXAMPLES = 4
N_BEST_RATED = 5
"""Best rated tracks that are shown per user."""
ROLES = {
    "longest": "Longest history",
    "shortest": "Shortest history with a wholly personal list",
    "newcomer": "No history yet",
    "changed": "Biggest change since the night before",
    "median": "A history of median length",
    "upper": "A history longer than three in four",
}
"""Roles in order of preference. Of equally long histories the last user by id has the role, for `shortest` the first."""
FILL_QUANTILES = {"median": 0.5, "upper": 0.75}
"""Quantiles of history length for roles that replace missing ones: a first night has no change, some sources no newcomer."""


def choose_users(lists: DataFrame) -> dict[str, Row]:
    """Return at most MAX_EXAMPLES different users by role, each with `user_id` and `n_seen`.

    `lists`: rows of `difference.user_lists`.
    """
    has_list, n_seen = F.size("current") > 0, F.coalesce("n_seen", F.lit(0)).alias("n_seen")
    by_length = F.struct(n_seen, "user_id")
    has_history = has_list & (F.col("n_seen") > 0)
    personal = F.forall("current", lambda entry: entry["tier"].isin(*PERSONAL_TIERS))
    in_both = has_list & (F.size("previous") > 0)
    changed = in_both & (F.col("current")["track_id"] != F.col("previous")["track_id"])
    by_overlap = F.struct(F.round(overlap(20), 6).alias("overlap"), "user_id", n_seen)
    candidates = (
        lists.agg(
            F.max(F.when(has_history, by_length)).alias("longest"),
            F.min(F.when(has_history & personal, by_length)).alias("shortest"),
            F.min(F.when(has_list & (n_seen == 0), by_length)).alias("newcomer"),
            F.min(F.when(changed, by_overlap)).alias("changed"),
            F.percentile_approx(F.when(has_history, F.col("n_seen")), [*FILL_QUANTILES.values()]).alias("quantiles"),
        )
        .collect()[0]
        .asDict(recursive=True)
    )
    lengths = candidates.pop("quantiles") or []
    chosen = _distinct_users(candidates)
    for role, length in zip(FILL_QUANTILES, lengths, strict=False):
        if len(chosen) < MAX_EXAMPLES:
            chosen |= _user_with_length(lists.where(has_list), role, length, chosen)
    return chosen


def _user_with_length(lists: DataFrame, role: str, length: int, chosen: dict[str, Row]) -> dict[str, Row]:
    """Return the first user by id with a history of this length and without a role; empty if there is none."""
    taken = [user["user_id"] for user in chosen.values()]
    eligible = lists.where((F.col("n_seen") == length) & ~F.col("user_id").isin(taken))
    user = eligible.agg(F.min("user_id")).collect()[0][0]
    return {} if user is None else {role: {"user_id": user, "n_seen": length}}


def _distinct_users(candidates: dict[str, Row | None]) -> dict[str, Row]:
    """Return the first MAX_EXAMPLES candidates, no user twice."""
    chosen: dict[str, Row] = {}
    for role, user in candidates.items():
        taken = {other["user_id"] for other in chosen.values()}
        if user is not None and user["user_id"] not in taken and len(chosen) < MAX_EXAMPLES:
            chosen[role] = {"user_id": user["user_id"], "n_seen": user["n_seen"]}
    return chosen


def list_changes(users: Iterable[str], ranked: DataFrame, previous: DataFrame | None, music: DataFrame) -> list[Row]:
    """Return the entries of these users' overall lists: `user_id`, `rank`, `previous_rank`, track, genre, score, why.

    `rank` is null for a track that left the list, `previous_rank` for a new one.
    """
    is_shown = F.col("user_id").isin(list(users)) & (F.col("list") == OVERALL)
    current = ranked.where(is_shown).select("user_id", "track_id", "rank", "score", "tier", "why")
    earlier = (ranked.limit(0) if previous is None else previous).where(is_shown)
    earlier = earlier.select("user_id", "track_id", F.col("rank").alias("previous_rank"))
    titles = music.select("track_id", "title", "artist", "genre")
    joined = current.join(earlier, ["user_id", "track_id"], "full").join(titles, "track_id")
    return rows_of(joined.orderBy("user_id", F.col("rank").asc_nulls_last(), "previous_rank"))


def best_rated(users: Iterable[str], history: DataFrame, music: DataFrame) -> list[Row]:
    """Return the best rated tracks of these users: `user_id`, `position`, title, artist, rating, plays."""
    best_first = Window.partitionBy("user_id").orderBy(F.desc("rating"), F.desc("plays"), "track_id")
    ordered = history.where(F.col("user_id").isin(list(users))).withColumn("position", F.row_number().over(best_first))
    titles = music.select("track_id", "title", "artist")
    titled = ordered.where(F.col("position") <= N_BEST_RATED).join(titles, "track_id")
    fields = ("user_id", "position", "track_id", "title", "artist", "rating", "plays")
    return rows_of(titled.select(*fields).orderBy("user_id", "position"))


def build_examples(chosen: dict[str, Row], changes: list[Row], best: list[Row]) -> list[Row]:
    """Return a row per user in the order of ROLES: section, role, user_id, n_seen, best_rated, items, removed, n_new, had_list."""
    examples = []
    for number, (role, user) in enumerate(chosen.items(), 1):
        entries = [row for row in changes if row["user_id"] == user["user_id"]]
        items = [row for row in entries if row["rank"] is not None]
        examples.append({
            "section": f"example-{number}",
            "role": ROLES[role],
            "user_id": user["user_id"],
            "n_seen": user["n_seen"],
            "best_rated": [row for row in best if row["user_id"] == user["user_id"]],
            "items": items,
            "removed": [row for row in entries if row["rank"] is None],
            "n_new": sum(row["previous_rank"] is None for row in items),
            "had_list": any(row["previous_rank"] is not None for row in entries),
        })  # fmt: skip
    return examples
