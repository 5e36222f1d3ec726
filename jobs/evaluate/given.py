"""Ranking tables that somebody else made: what must hold of them before their figures mean anything."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.errors import EvaluationError
from jobs.evaluate import metrics
from jobs.evaluate.splits import Task


def honest(name: str, lists: DataFrame, task: Task) -> DataFrame:
    """A given ranking table in our types, cut at DEPTH.

    Raises EvaluationError, naming a query, where ranks are not 1, 2, 3, ..., a track stands twice, a score is higher than the one
    above it (higher is better), a masked track stands in a list, or the task asks none of its queries.
    """
    names = {c: F.col(c).cast("string").alias(c) for c in ("query_id", "track_id")}
    score = F.expr("try_cast(score AS double)") if "score" in lists.columns else F.lit(None).cast("double")
    typed = lists.select(
        names["query_id"], F.expr("try_cast(rank AS int)").alias("rank"), names["track_id"], score.alias("score")
    )
    before = F.lag("score").over(Window.partitionBy("query_id").orderBy("rank"))
    told = typed.withColumn("rises", F.col("score") > before).groupBy("query_id")
    checked = told.agg(
        F.count("*").alias("n"),
        F.countDistinct("rank").alias("ranks"),
        F.max("rank").alias("last"),
        F.countDistinct("track_id").alias("tracks"),
        F.count_if("rises").alias("rises"),
    )
    wrong = F.when(F.col("tracks") < F.col("n"), "has a track twice, or none at a place")
    wrong = wrong.when(
        (F.col("ranks") < F.col("n")) | (F.col("last") != F.col("n")), "does not have the ranks 1, 2, 3, ..."
    )
    wrong = wrong.when(F.col("rises") > 0, "has a score above that of a better rank; higher is better")
    bad = checked.withColumn("wrong", wrong).where("wrong IS NOT NULL").orderBy("query_id").first()
    if bad is not None:
        raise EvaluationError(f"{name}: the list of query {bad['query_id']} {bad['wrong']}.")
    if typed.join(task.truth, "query_id", "left_semi").isEmpty():
        raise EvaluationError(
            f"{name}: task {task.name!r} asks none of its query_ids; make it from the tables of --export."
        )
    if task.offered == "unheard":
        pair = ["query_id", "track_id"]
        heard = typed.join(task.asked.select(*pair), pair, "left_semi").count()
        if heard:
            raise EvaluationError(
                f"{name}: {heard} places hold tracks that the asker has heard, and this task masks them."
            )
    return typed.where(F.col("rank") <= metrics.DEPTH)
