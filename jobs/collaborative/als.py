"""Implicit ALS factors of users and tracks (Hu, Koren, Volinsky 2008) by MLlib."""

from dataclasses import dataclass

from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


@dataclass(frozen=True)
class Config:
    """Size and fit of the factorisation."""

    min_rating: float = 1.0
    """T_R: ratings from here on enter U_M (PMRS Eq. 2, read as R >= T_R, since the paper says both)."""
    rank: int = 32
    """Number of latent factors; enough for some thousand tracks, and what a small machine fits in seconds."""
    iterations: int = 12
    """Alternations; the loss changes by under 1 % after ten."""
    regularisation: float = 0.05
    """MLlib's regParam, which it scales by each row's number of ratings."""
    alpha: float = 10.0
    """Confidence 1 + alpha x strength of a rating."""
    blocks: int = 8
    """Blocks of users and of tracks; fixed, so that sums run in one order on any number of cores."""
    seed: int = 7
    """Seed of the first factors."""


def build_strengths(history: DataFrame, min_rating: float) -> DataFrame:
    """U_M as `user_id, track_id, strength`: 1 + log2 R, so that 700 plays count about ten times one play."""
    rated = history.where(F.col("rating") >= min_rating)
    return rated.select("user_id", "track_id", (1 + F.log2("rating")).cast("float").alias("strength"))


def numbered(frame: DataFrame, key: str, number: str) -> DataFrame:
    """Distinct values of `key` with their place in sorted order, from 0.

    One task sorts them all: a million ids take seconds, and a number that depends on partitions would not reproduce.
    """
    return frame.select(key).distinct().withColumn(number, F.row_number().over(Window.orderBy(key)) - 1)


def fit(strengths: DataFrame, users: DataFrame, items: DataFrame, config: Config) -> tuple[DataFrame, DataFrame]:
    """(item factors, user factors), each `id` and `factors`, keyed as `users` and `items` number them."""
    indexed = strengths.join(users, "user_id").join(items, "track_id").select("user", "item", "strength")
    # A fixed partitioning in a fixed order: MLlib's sums of floats then run alike on 1 and on 100 cores.
    ordered = indexed.repartition(config.blocks, "user").sortWithinPartitions("user", "item")
    als = ALS(
        rank=config.rank, maxIter=config.iterations, regParam=config.regularisation, alpha=config.alpha,
        numUserBlocks=config.blocks, numItemBlocks=config.blocks, implicitPrefs=True, seed=config.seed,
        userCol="user", itemCol="item", ratingCol="strength",
    )
    model = als.fit(ordered)
    return (
        model.itemFactors.select(F.col("id").alias("item"), F.col("features").alias("factors")),
        model.userFactors.select(F.col("id").alias("user"), F.col("features").alias("factors")),
    )
