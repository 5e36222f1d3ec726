"""Score all settings of a hyper-parameter grid in one Spark job."""

from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.evaluate import metrics
from jobs.evaluate.result import PRIMARY_METRIC
from jobs.evaluate.splits import Task

SETTING_SEPARATOR = "|"
"""Separates the number of a setting from the query id while a grid is scored."""


def read_lists(files: Sequence[Path], task: Task) -> DataFrame:
    """Read lists that `Evaluator` wrote."""
    return task.inputs.sparkSession.read.parquet(*[file.resolve().as_uri() for file in files])


def score_settings(files: Sequence[Path], task: Task) -> dict[str, float]:
    """Return the mean primary metric of each setting, by its number, in one Spark job.

    The lists of all settings are scored together: their query ids begin with the setting's number.
    """
    prefixes = [f"{number}{SETTING_SEPARATOR}" for number in range(len(files))]

    def for_every_setting(frame: DataFrame) -> DataFrame:
        prefix = F.explode(F.array(*[F.lit(prefix) for prefix in prefixes])).alias("prefix")
        return frame.select("*", prefix).withColumn("query_id", F.concat("prefix", "query_id")).drop("prefix")

    inputs = for_every_setting(task.inputs.select("query_id", "user_id").distinct())
    hits = metrics.hit_ranks(read_lists(files, task), for_every_setting(task.truth), inputs)
    setting = F.substring_index("query_id", SETTING_SEPARATOR, 1).alias("setting")
    means = metrics.add_metrics(hits).groupBy(setting).agg(F.avg(f"`{PRIMARY_METRIC}`")).collect()
    return {row[0]: row[1] for row in means}
