"""Implicit ALS by MLlib: another engine for the same kind of factors as jobs/recommenders/ials.py, and its oracle."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.lake.files import FileStore
from jobs.recommenders.ials import WarmStart
from models.als_solver import ALSObjective


@dataclass(frozen=True)
class MLlibALSConfig:
    """Hyper-parameters of the factorization."""

    min_rating: float = 1.0
    """T_R: ratings from here on enter U_M (PMRS Eq. 2, read as R >= T_R, because the paper has both forms)."""
    rank: int = 32
    """Number of latent factors; enough for some thousand tracks, and a small machine fits them in seconds."""
    iterations: int = 12
    """Alternations; the loss changes by under 1 % after ten."""
    regularization: float = 0.05
    """MLlib's regParam, which it scales by each row's number of ratings."""
    alpha: float = 10.0
    """MLlib weights an interaction by 1 + alpha x column `confidence`."""
    blocks: int = 8
    """Blocks of users and of tracks; fixed, so that sums run in one order on any number of cores."""
    seed: int = 7
    """Seed of the initial factors."""

    @property
    def objective(self) -> ALSObjective:
        """The objective that MLlib minimises, times 1 / alpha."""
        return ALSObjective(1 / self.alpha, self.regularization / self.alpha, frequency_includes_unobserved=False)


@contextmanager
def factorize(
    interactions: DataFrame,
    users: DataFrame,
    items: DataFrame,
    config: MLlibALSConfig,
    on_iteration: Callable[[int], object],
    store: FileStore,
    before: WarmStart | None = None,
) -> Iterator[tuple[DataFrame, DataFrame]]:
    """Yield factors like `ials.factorize`; MLlib reports no iterations, and always starts from random numbers."""
    item_factors, user_factors = fit(interactions, users, items, config)
    yield (
        item_factors.join(items, "item").select("track_id", "factors"),
        user_factors.join(users, "user").select("user_id", "factors"),
    )


def fit(interactions: DataFrame, users: DataFrame, items: DataFrame, config: MLlibALSConfig) -> tuple[DataFrame, DataFrame]:
    """Return (item factors, user factors): `item` or `user`, numbered as in `users` and `items`, and `factors`."""
    indexed = interactions.join(users, "user_id").join(items, "track_id").select("user", "item", "confidence")
    # a fixed partitioning in a fixed order: MLlib's sums of floats then run alike on 1 and on 100 cores
    ordered = indexed.repartition(config.blocks, "user").sortWithinPartitions("user", "item")
    als = ALS(
        rank=config.rank,
        maxIter=config.iterations,
        regParam=config.regularization,
        alpha=config.alpha,
        numUserBlocks=config.blocks,
        numItemBlocks=config.blocks,
        implicitPrefs=True,
        seed=config.seed,
        userCol="user",
        itemCol="item",
        ratingCol="confidence",
    )
    model = als.fit(ordered)
    return (
        model.itemFactors.select(F.col("id").alias("item"), F.col("features").alias("factors")),
        model.userFactors.select(F.col("id").alias("user"), F.col("features").alias("factors")),
    )
