"""What factors are fitted on: likes with their strength, users and tracks numbered."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from models import ials


def build_confidence(history: DataFrame, min_rating: float) -> DataFrame:
    """U_M as `user_id, track_id, strength`: 1 + log2 R, so that 700 plays count about ten times one play."""
    rated = history.where(F.col("rating") >= min_rating)
    return rated.select("user_id", "track_id", (1 + F.log2("rating")).cast("float").alias("strength"))


def numbered(strengths: DataFrame, key: str, number: str) -> DataFrame:
    """Distinct values of `key`, each with its place in sorted order, from 0, and how many `likes` it has, all of them `hashed`.

    And under `NUMBER_block` the block of rows in which it is solved (models/ials.py).

    One task sorts them all: a million ids take seconds, and a number that depends on partitions would not reproduce.
    """
    # no like is there twice, which an exclusive or would not see
    fingerprint = F.bit_xor(F.xxhash64("user_id", "track_id", "strength")).alias("hashed")
    rows = strengths.groupBy(key).agg(F.count("*").alias("likes"), fingerprint)
    order = Window.orderBy(key)
    before = F.coalesce(F.sum("likes").over(order.rowsBetween(Window.unboundedPreceding, -1)), F.lit(0))
    block = F.floor(before / F.lit(ials.BLOCK_INTERACTIONS)).cast("int")
    return rows.withColumns({number: F.row_number().over(order) - 1, f"{number}_block": block})
