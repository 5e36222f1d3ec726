"""Models of the evaluation must equal those that the night computes with Spark."""

from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.evaluate.interactions import Interactions
from jobs.evaluate.model_specs import select_models
from jobs.evaluate.splits import PerUserRandom
from jobs.recommenders import mllib_als
from jobs.recommenders.confidence import build_confidence, numbered
from jobs.recommenders.training_data import TrainingData, collect_training_data
from models import pmrs_cf
from models.ials import ALSModel, IALSConfig
from models.queries import Queries
from models.recommendation_lists import OVERALL
from models.topk import recommend

MLLIB = mllib_als.MLlibALSConfig(rank=4, iterations=5, blocks=2)
CONFIG = IALSConfig(rank=4, iterations=5)
GENRES = ("even", "odd")


@pytest.fixture(scope="module")
def training_data(spark: SparkSession) -> TrainingData:
    rng = np.random.default_rng(3)
    rows = [
        (f"u{u:02d}", f"t{t:02d}", float(rng.integers(1, 9)))
        for u in range(30)
        for t in range(20)
        if rng.random() < 0.4
    ]
    history = spark.createDataFrame(rows, "user_id string, track_id string, rating double")
    split = PerUserRandom().split(Interactions(history.limit(0), history))
    return collect_training_data(split.train, None, genres_of(spark), GENRES)


def genres_of(spark: SparkSession) -> DataFrame:
    rows = [(f"t{t:02d}", [0.9, 0.1] if t % 2 else [0.2, 0.8]) for t in range(20)]
    return spark.createDataFrame(rows, "track_id string, probabilities array<double>")


def test_fold_in_matches_the_last_half_step_of_mllib(training_data: TrainingData) -> None:
    """MLlib as the oracle of the objective and of its solution."""
    interactions = build_confidence(training_data.train, MLLIB.min_rating)
    users, items = numbered(interactions, "user_id", "user"), numbered(interactions, "track_id", "item")
    item_factors, user_factors = mllib_als.fit(interactions, users, items, MLLIB)
    ours = np.array(
        [row["factors"] for row in item_factors.join(items, "item").orderBy("track_id").collect()], dtype=np.float32
    )
    expected = np.array([row["factors"] for row in user_factors.join(users, "user").orderBy("user_id").collect()])
    actual = ALSModel(ours, MLLIB.objective, MLLIB.min_rating).fold_in(training_data.ratings)
    np.testing.assert_allclose(actual, expected, rtol=2e-3, atol=2e-4)


def test_pmrs_cf_ranks_as_the_night_does(training_data: TrainingData) -> None:
    (spec,) = select_models(["pmrs_cf"])
    model = spec.method.fit(training_data, CONFIG, 7)
    lists: dict[int, list[int]] = {}
    for row, item, _ in recommend(model, Queries(training_data.ratings), 10):
        for user, track in zip(row, item, strict=True):
            lists.setdefault(int(user), []).append(int(track))
    (plain,) = select_models(["als"])
    factors = plain.method.fit(training_data, CONFIG, 7)
    assert isinstance(factors, ALSModel)
    catalogue = pmrs_cf.Catalogue(training_data.genres, training_data.genres.argmax(axis=1))
    user_items = training_data.ratings
    expected = pmrs_cf.top_lists(factors.score(Queries(user_items)), user_items, catalogue, CONFIG.min_rating, 10, 1)
    for user in range(user_items.shape[0]):
        assert lists[user] == expected.item[(expected.row == user) & (expected.genre == OVERALL)].tolist()


def test_windowed_popularity_counts_recent_ratings_only(training_data: TrainingData) -> None:
    (windowed,) = select_models(["popularity_window"])
    recent = replace(training_data, recent=training_data.ratings[:1])
    scores = windowed.method.fit(recent, windowed.grid[0], 0).score(Queries(training_data.ratings[:1]))
    assert set(np.flatnonzero(scores[0])) == set(training_data.ratings[:1].indices)
