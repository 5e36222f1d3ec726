"""Validate ranking tables that other tools produced, before they are scored."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.errors import EvaluationError
from jobs.evaluate import metrics
from jobs.evaluate.splits import Task


def validate_rankings(name: str, rankings: DataFrame, task: Task) -> DataFrame:
    """Return an external ranking table in our types, cut at DEPTH.

    Raises EvaluationError that names a query if its ranks are not 1, 2, 3, ..., if a track occurs twice, or if a score is
    higher than that of a better rank. Raises it too if a list has a masked track, or if no query belongs to the task.
    """
    typed = _with_types(rankings)
    _require_well_formed(name, typed)
    if typed.join(task.truth, "query_id", "left_semi").isEmpty():
        raise EvaluationError(
            f"{name}: task {task.name!r} has none of its query_ids; build the rankings from the tables of --export."
        )
    if task.candidate_filter == "exclude_seen":
        pair = ["query_id", "track_id"]
        if n_seen := typed.join(task.inputs.select(*pair), pair, "left_semi").count():
            raise EvaluationError(
                f"{name}: {n_seen} ranks have tracks that the user has seen already, and this task masks them."
            )
    return typed.where(F.col("rank") <= metrics.DEPTH)


def _with_types(rankings: DataFrame) -> DataFrame:
    ids = {c: F.col(c).cast("string").alias(c) for c in ("query_id", "track_id")}
    has_score = "score" in rankings.columns
    score = F.expr("try_cast(score AS double)") if has_score else F.lit(None).cast("double")
    rank = F.expr("try_cast(rank AS int)").alias("rank")
    return rankings.select(ids["query_id"], rank, ids["track_id"], score.alias("score"))


def _require_well_formed(name: str, typed: DataFrame) -> None:
    better_score = F.lag("score").over(Window.partitionBy("query_id").orderBy("rank"))
    by_query = typed.withColumn("increases", F.col("score") > better_score).groupBy("query_id")
    counts = by_query.agg(
        F.count("*").alias("n"),
        F.countDistinct("rank").alias("n_ranks"),
        F.max("rank").alias("last_rank"),
        F.countDistinct("track_id").alias("n_tracks"),
        F.count_if("increases").alias("n_increases"),
    )
    error = F.when(F.col("n_tracks") < F.col("n"), "has a track twice, or a rank without a track")
    wrong_ranks = (F.col("n_ranks") < F.col("n")) | (F.col("last_rank") != F.col("n"))
    error = error.when(wrong_ranks, "does not have the ranks 1, 2, 3, ...")
    error = error.when(F.col("n_increases") > 0, "has a score above that of a better rank; higher is better")
    invalid = counts.withColumn("error", error).where("error IS NOT NULL").orderBy("query_id").first()
    if invalid is not None:
        raise EvaluationError(f"{name}: the list of query {invalid['query_id']} {invalid['error']}.")
