"""Recommendation methods by name: title, settings, and how each is fitted."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from scipy.sparse import csr_array

from jobs.errors import LakeError
from jobs.lake.adapters.factors import factors_in
from jobs.lake.collect import collect_arrow
from jobs.lake.files import FileStore
from jobs.recommenders import ials, mllib_als
from jobs.recommenders.confidence import build_confidence, numbered
from jobs.recommenders.training_data import TrainingData
from models import blend, bpr, ease, item_knn, pmrs_cf, popularity, sparse_ease
from models import ials as ials_model
from models.ials import ALSModel, IALSConfig
from models.protocol import Recommender
from models.queries import Queries
from models.types import F32, I64, Tensors

Fit = Callable[[TrainingData, Any, int], Recommender]
"""Fit a model to training data, with the method's settings and a seed."""
Factorize = Callable[
    [DataFrame, DataFrame, DataFrame, Any, Callable[[int], object], FileStore, ials.WarmStart | None],
    AbstractContextManager[tuple[DataFrame, DataFrame]],
]
"""See `jobs.recommenders.ials.factorize`."""

VANISHED = 1e-6
"""Bound of the largest factor below which regularization has removed all signal; lists would be noise."""


@dataclass(frozen=True)
class Method:
    """One recommendation method."""

    title: str
    settings: type
    """Its config dataclass; a night without a promoted model uses the defaults."""
    fit: Fit
    factorize: Factorize | None = None
    """Computes the factors in the job `collaborative`; None: the job `candidates` fits the method."""
    uses_genre_profile: bool = False
    """Whether the user's genre profile weights the overall list, as in PMRS."""


def fit_factors(data: TrainingData, config: IALSConfig, seed: int) -> ALSModel:
    """Fit implicit ALS on the driver."""
    return ALSModel(ials_model.fit(data.ratings, replace(config, seed=seed)), config.objective, config.min_rating)


def fit_by_mllib(data: TrainingData, config: mllib_als.MLlibALSConfig, seed: int) -> ALSModel:
    """Fit implicit ALS with Spark's MLlib, and collect its factors on the driver."""
    interactions = build_confidence(data.train, config.min_rating)
    users, items = numbered(interactions, "user_id", "user").cache(), numbered(interactions, "track_id", "item").cache()
    item_factors, _ = mllib_als.fit(interactions, users, items, replace(config, seed=seed))
    model, tracks = factors_of(item_factors.join(items, "item").select("track_id", "factors"), config)
    for numbers in (users, items):
        numbers.unpersist()
    factors = np.zeros((len(data.tracks), config.rank), dtype=np.float32)
    factors[pa.compute.index_in(pa.array(tracks), pa.array(data.tracks)).to_numpy()] = model.factors
    return replace(model, factors=factors)


def factors_of(item_factors: DataFrame, config: IALSConfig | mllib_als.MLlibALSConfig) -> tuple[ALSModel, tuple[str, ...]]:
    """Return the model of table `item_factors` and its sorted tracks.

    Raises LakeError if the factors are not finite, or none exceeds VANISHED in absolute value.
    """
    rows = collect_arrow(item_factors.orderBy("track_id"), 60 + 4 * config.rank, "the item factors")
    factors = factors_in(rows)
    if factors.size and not (np.isfinite(factors).all() and np.abs(factors).max() > VANISHED):
        raise LakeError(
            f"The factors of {len(factors)} tracks are unusable: almost 0, or not finite. Their regularization "
            f"({config.regularization:g}) or another setting does not suit these data; promote a ranker with another."
        )
    return ALSModel(factors, config.objective, config.min_rating), tuple(rows["track_id"].to_pylist())


@dataclass(frozen=True)
class PmrsCf:
    """The ranking of PMRS's overall list as a recommender; its queries are ratings, like those of the other methods."""

    collaborative: ALSModel
    catalogue: pmrs_cf.Catalogue

    def score(self, queries: Queries) -> F32:
        """Return scores [Q, I]."""
        share = pmrs_cf.percentiles(self.collaborative.score(queries), queries.user_items)
        genre_profile = pmrs_cf.genre_profiles(queries.user_items, self.catalogue, self.collaborative.min_rating)
        # ties, such as the zeros of genres that the user never plays, are ordered by percentile
        scores = genre_profile @ self.catalogue.genre_probabilities.T * share + 1e-6 * share
        return np.where(share < 0, np.float32(0), scores).astype(np.float32)

    def contributions(self, user_items: csr_array, item_ids: Sequence[I64]) -> list[F32]:
        """Return the contributions to the collaborative score; the genre profile has none."""
        return self.collaborative.contributions(user_items, item_ids)

    def tensors(self) -> Tensors:
        """Return the factors, and `genre_probabilities` [I, G + 1]."""
        return {**self.collaborative.tensors(), "genre_probabilities": self.catalogue.genre_probabilities}


def catalogue_of(shares: F32) -> pmrs_cf.Catalogue:
    """Return the catalogue of P(g|track) [I, G + 1]; ties go to the first genre, as in the job `classify`."""
    return pmrs_cf.Catalogue(shares, np.argmax(shares, axis=1).astype(np.int64))


def _pmrs_cf(data: TrainingData, config: IALSConfig, seed: int) -> PmrsCf:
    return PmrsCf(fit_factors(data, config, seed), catalogue_of(data.genres))


POPULARITY = "popularity"
"""The baseline of all other methods: a model that is not better is useless."""
POPULARITY_WINDOW = "popularity_window"
"""Popularity in the last days alone."""
METHODS = {
    POPULARITY: Method("popularity, all time", popularity.PopularityConfig, lambda d, c, _: popularity.fit(d.ratings, c)),
    POPULARITY_WINDOW: Method(
        "popularity, last days", popularity.PopularityConfig, lambda d, c, _: popularity.fit(d.recent, c)
    ),
    "item_knn": Method("item-kNN", item_knn.ItemKNNConfig, lambda d, c, _: item_knn.fit(d.ratings, c)),
    "ease": Method("EASE", ease.EASEConfig, lambda d, c, _: ease.fit(d.ratings, c)),
    "sparse_ease": Method("sparse EASE", sparse_ease.SparseEASEConfig, lambda d, c, _: sparse_ease.fit(d.ratings, c)),
    "bpr": Method("BPR", bpr.BPRConfig, lambda d, c, seed: bpr.fit(d.ratings, replace(c, seed=seed))),
    "als": Method("implicit ALS", IALSConfig, fit_factors, ials.factorize),
    "blend": Method("blend", blend.BlendConfig, lambda d, c, seed: blend.fit(d.ratings, replace(c, seed=seed), d.blend_components)),
    "als_mllib": Method("implicit ALS, MLlib", mllib_als.MLlibALSConfig, fit_by_mllib, mllib_als.factorize),
    "pmrs_cf": Method("PMRS CF", IALSConfig, _pmrs_cf, ials.factorize, uses_genre_profile=True),
}
