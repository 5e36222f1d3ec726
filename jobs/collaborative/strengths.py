"""What factors are fitted on: likes with their strength, users and tracks numbered."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def build_strengths(history: DataFrame, min_rating: float) -> DataFrame:
    """U_M as `user_id, track_id, strength`: 1 + log2 R, so that 700 plays count about ten times one play."""
    rated = history.where(F.col("rating") >= min_rating)
    return rated.select("user_id", "track_id", (1 + F.log2("rating")).cast("float").alias("strength"))


def numbered(frame: DataFrame, key: str, number: str) -> DataFrame:
    """Distinct values of `key` with their place in sorted order, from 0.

    One task sorts them all: a million ids take seconds, and a number that depends on partitions would not reproduce.
    """
    return frame.select(key).distinct().withColumn(number, F.row_number().over(Window.orderBy(key)) - 1)
