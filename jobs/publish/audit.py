"""What a night must be before it may become live. A check is a pure function of the lists; the first that fails stops it."""

from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import AuditError


@dataclass(frozen=True)
class Audited:
    """What the audit counted: for the report and for the next night's audit."""

    users: int
    lists: int
    items: int


def audit(ranked: DataFrame, history: DataFrame, wanted: DataFrame, users_before: int, keep_share: float) -> Audited:
    """Count the lists, and raise AuditError naming what is wrong with them.

    `wanted`: `user_id`, `list`, `wanted` lengths; `users_before`: users of the live night (0: none);
    `keep_share`: least share of them that must get lists again.
    """
    found = _count(ranked)
    for problem in (*_size_problems(found, users_before, keep_share), *_row_problems(ranked, history, wanted)):
        raise AuditError(f"The night is not published: {problem}. The live night stays.")
    return found


def _count(ranked: DataFrame) -> Audited:
    row = ranked.agg(
        F.countDistinct("user_id").alias("users"),
        F.countDistinct("user_id", "list").alias("lists"),
        F.count("*").alias("items"),
    ).first()
    return Audited(row["users"], row["lists"], row["items"]) if row else Audited(0, 0, 0)


def _size_problems(found: Audited, users_before: int, keep_share: float) -> Iterator[str]:
    if found.items == 0:
        yield "there is no list at all"
    if found.users < keep_share * users_before:
        yield f"only {found.users} users have lists, the live night has {users_before}"


def _row_problems(ranked: DataFrame, history: DataFrame, wanted: DataFrame) -> Iterator[str]:
    bad_score = F.col("score").isNull() | F.isnan("score") | (F.col("score") < 0) | (F.col("score") > 1)
    yield from _some(ranked.where(bad_score), "scores that are no number from 0 to 1")
    per_list = ranked.groupBy("user_id", "list").agg(
        F.count("*").alias("n"), F.countDistinct("track_id").alias("tracks"), F.max("rank").alias("last")
    )
    yield from _some(per_list.where("n <> tracks OR n <> last"), "lists with a track twice or a place missing")
    heard = ranked.join(history.select("user_id", "track_id"), ["user_id", "track_id"], "left_semi")
    yield from _some(heard, "places with a track that the user has heard")
    lengths = wanted.join(per_list.select("user_id", "list", "n"), ["user_id", "list"], "left")
    wrong = lengths.where("coalesce(n, 0) <> wanted")
    yield from _some(wrong, "lists shorter or longer than min(N, unheard tracks)")


def _some(rows: DataFrame, what: str) -> Iterator[str]:
    count = rows.count()
    if count:
        yield f"{count} {what}"
