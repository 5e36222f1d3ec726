"""Checks of a night before it becomes live. Each is a pure function of the lists; the first failure stops the night.

Every list must have min(N, unseen tracks of the list) items. A list with N items, or with all its tracks, has them if
it passes the other checks. So seen tracks are counted only for users with a shorter list.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.errors import AuditError
from jobs.lake.collect import count_rows
from jobs.recommenders import list_rules

SUSPECTS = "suspects"
REFUSED = "The night is not published: {}. The live night is unchanged."


@dataclass(frozen=True)
class Expected:
    """Data that the lists are checked against."""

    users: DataFrame
    """`user_id` of all users who get lists."""
    members: DataFrame
    """`list`, `track_id`: the tracks that a list may contain."""
    excluded: DataFrame
    """`user_id`, `track_id` that no list may contain; rows may occur twice."""
    limit: Column
    """N by `list`."""
    users_before: int = 0
    """Number of users of the live night; 0: no night is live."""
    keep_share: float = 0.5
    """Minimum fraction of `users_before` that must get lists again."""


@dataclass(frozen=True)
class Audited:
    """Counts of the audit, for the report and for the next night's audit."""

    users: int
    lists: int
    items: int


def audit(ranked: DataFrame, expected: Expected) -> Audited:
    """Count the lists. Raises AuditError, which names the first problem."""
    lists = build_lists(ranked, expected.limit).persist()
    try:
        audited, problems = _sums(lists)
        require_enough_lists(audited, expected.users_before, expected.keep_share)
        for problem in (*problems, *_row_problems(ranked, lists, expected)):
            raise AuditError(REFUSED.format(problem))
        return audited
    finally:
        lists.unpersist()


def build_lists(
    ranked: DataFrame, limit: Column, keys: tuple[str, ...] = ("user_id", "list"), item: str = "track_id"
) -> DataFrame:
    """Return `keys`, `n`, `bad`, `torn` and `long` per list.

    `n`: number of items. `bad`: number of items with a bad score. `torn`: an `item` occurs twice, or a rank is missing.
    `long`: the list is longer than `limit`.
    """
    no_score = F.col("score").isNull() | F.isnan("score") | (F.col("score") < 0) | (F.col("score") > 1)
    per_list = ranked.groupBy(*keys).agg(
        F.collect_list(item).alias("tracks"), F.collect_list("rank").alias("ranks"), F.count_if(no_score).alias("bad")
    )
    many = F.size("ranks")
    torn = (F.size(F.array_distinct("tracks")) != many) | (F.array_sort("ranks") != F.sequence(F.lit(1), many))
    return per_list.select(*keys, many.alias("n"), "bad", torn.alias("torn"), (many > limit).alias("long"))


def _sums(lists: DataFrame) -> tuple[Audited, list[str]]:
    """Count the lists, and return the problems of single lists, in one pass."""
    row = lists.agg(
        F.count_distinct("user_id").alias("users"),
        F.count("*").alias("lists"),
        F.coalesce(F.sum("n"), F.lit(0)).alias("items"),
        F.coalesce(F.sum("bad"), F.lit(0)).alias("bad"),
        F.count_if("torn").alias("torn"),
        F.count_if("long").alias("long"),
    ).collect()[0]
    wrong = {
        "scores outside 0 to 1": row["bad"],
        "lists with a repeated track or a missing rank": row["torn"],
        "lists longer than N": row["long"],
    }
    return Audited(row["users"], row["lists"], row["items"]), [f"{count} {what}" for what, count in wrong.items() if count]


def require_enough_lists(audited: Audited, users_before: int, keep_share: float) -> None:
    """Raise AuditError if there is no list, or if too few of the live night's users have lists; see Expected."""
    if audited.items == 0:
        raise AuditError(REFUSED.format("there are no lists"))
    if audited.users < keep_share * users_before:
        problem = f"only {audited.users} users have lists, the live night has {users_before}"
        raise AuditError(REFUSED.format(problem))


def _row_problems(ranked: DataFrame, lists: DataFrame, expected: Expected) -> Iterator[str]:
    users, members = expected.users.select("user_id"), F.broadcast(expected.members.select("list", "track_id"))
    counts = count_rows({
        "tracks that are not of the genre of their list": ranked.join(members, ["list", "track_id"], "left_anti"),
        "lists of users who must not have any": lists.join(users, "user_id", "left_anti"),
        SUSPECTS: suspect_pairs(ranked, expected.excluded),
    })  # fmt: skip
    suspects = counts.pop(SUSPECTS)
    yield from (f"{count} {what}" for what, count in counts.items() if count)
    if suspects and (count := excluded_items(ranked, expected.excluded)):
        yield f"{count} tracks that their user has seen or erased"
    yield from _length_problems(lists, expected)


def _length_problems(lists: DataFrame, expected: Expected) -> Iterator[str]:
    present = lists.select("user_id", "list", F.col("n").alias("n_items"))
    users = expected.users.select("user_id")
    incomplete = list_rules.users_with_short_lists(users, expected.members, present, expected.limit).persist()
    try:
        if incomplete.isEmpty():
            return
        excluded = expected.excluded.join(incomplete, "user_id", "left_semi").distinct()
        n_excluded = list_rules.excluded_per_list(excluded, expected.members)
        required = list_rules.required_lengths(incomplete, expected.members, n_excluded, expected.limit).where("length > 0")
        lengths = required.join(lists.select("user_id", "list", "n"), ["user_id", "list"], "left")
        yield from _some(lengths.where("coalesce(n, 0) <> length"), "lists shorter or longer than min(N, unseen tracks)")
    finally:
        incomplete.unpersist()


def suspect_pairs(ranked: DataFrame, excluded: DataFrame) -> DataFrame:
    """Return the (`user_id`, `track_id`) of `ranked` whose 64-bit hash occurs in `excluded`: none in a good night."""
    pair = F.xxhash64("user_id", "track_id").alias("pair")
    return ranked.select("user_id", "track_id", pair).join(excluded.select(pair), "pair", "left_semi")


def excluded_items(ranked: DataFrame, excluded: DataFrame) -> int:
    """Return the exact number of pairs of `ranked` that are in `excluded`."""
    return suspect_pairs(ranked, excluded).join(excluded, ["user_id", "track_id"], "left_semi").count()


def _some(rows: DataFrame, what: str) -> Iterator[str]:
    count = rows.count()
    if count:
        yield f"{count} {what}"
