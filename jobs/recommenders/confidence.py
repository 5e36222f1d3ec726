"""Training data of factors: interactions with confidence weights, and numbered users and tracks."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from models import ials


def build_confidence(history: DataFrame, min_rating: float) -> DataFrame:
    """Return U_M as `user_id, track_id, confidence`: 1 + log2 R, so that 700 plays count about ten times one play."""
    rated = history.where(F.col("rating") >= min_rating)
    return rated.select("user_id", "track_id", (1 + F.log2("rating")).cast("float").alias("confidence"))


def numbered(interactions: DataFrame, key: str, number: str) -> DataFrame:
    """Return the distinct values of `key`: `key`, `n_interactions`, `hashed`, `NUMBER`, `NUMBER_block` (NUMBER: `number`).

    `n_interactions`: number of interactions; `hashed`: hash of all of them. `NUMBER`: index in sorted order, from 0;
    `NUMBER_block`: the block of rows in which it is solved (models/ials.py).

    One task sorts all values: a million ids take seconds. A number that depended on partitions would not be
    reproducible.
    """
    # no interaction occurs twice: equal ones would cancel in the exclusive or
    fingerprint = F.bit_xor(F.xxhash64("user_id", "track_id", "confidence")).alias("hashed")
    rows = interactions.groupBy(key).agg(F.count("*").alias("n_interactions"), fingerprint)
    order = Window.orderBy(key)
    before = F.coalesce(F.sum("n_interactions").over(order.rowsBetween(Window.unboundedPreceding, -1)), F.lit(0))
    block = F.floor(before / F.lit(ials.BLOCK_INTERACTIONS)).cast("int")
    return rows.withColumns({number: F.row_number().over(order) - 1, f"{number}_block": block})
