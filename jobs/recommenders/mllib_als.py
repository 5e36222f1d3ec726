"""Implicit ALS by MLlib: another engine than jobs/recommenders/ials.py for the same kind of factors, and its oracle."""

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
class Config:
    """Size and fit of the factorisation."""

    min_rating: float = 1.0
    """T_R: ratings from here on enter U_M (PMRS Eq. 2, read as R >= T_R, since the paper says both)."""
    rank: int = 32
    """Number of latent factors; enough for some thousand tracks, and what a small machine fits in seconds."""
    iterations: int = 12
    """Alternations; the loss changes by under 1 % after ten."""
    regularization: float = 0.05
    """MLlib's regParam, which it scales by each row's number of ratings."""
    alpha: float = 10.0
    """Confidence 1 + alpha x strength of a rating."""
    blocks: int = 8
    """Blocks of users and of tracks; fixed, so that sums run in one order on any number of cores."""
    seed: int = 7
    """Seed of the first factors."""

    @property
    def objective(self) -> ALSObjective:
        """What MLlib minimises, by 1 / alpha."""
        return ALSObjective(1 / self.alpha, self.regularization / self.alpha, frequency_includes_unobserved=False)


@contextmanager
def factorize(
    strengths: DataFrame,
    users: DataFrame,
    items: DataFrame,
    config: Config,
    on_iteration: Callable[[int], object],
    store: FileStore,
    before: WarmStart | None = None,
) -> Iterator[tuple[DataFrame, DataFrame]]:
    """As jobs/recommenders/ials.py has it; MLlib tells of no iteration, and always begins at random numbers."""
    item_factors, user_factors = fit(strengths, users, items, config)
    yield (
        item_factors.join(items, "item").select("track_id", "factors"),
        user_factors.join(users, "user").select("user_id", "factors"),
    )


def fit(strengths: DataFrame, users: DataFrame, items: DataFrame, config: Config) -> tuple[DataFrame, DataFrame]:
    """(item factors, user factors), each `id` and `factors`, keyed as `users` and `items` number them."""
    indexed = strengths.join(users, "user_id").join(items, "track_id").select("user", "item", "strength")
    # A fixed partitioning in a fixed order: MLlib's sums of floats then run alike on 1 and on 100 cores.
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
        ratingCol="strength",
    )
    model = als.fit(ordered)
    return (
        model.itemFactors.select(F.col("id").alias("item"), F.col("features").alias("factors")),
        model.userFactors.select(F.col("id").alias("user"), F.col("features").alias("factors")),
    )
