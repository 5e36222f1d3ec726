"""Models that Spark fits, asked outside of it: they must be what the night computes."""

from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.evaluate.contenders import named
from jobs.evaluate.listening import Listening
from jobs.evaluate.splits import PerUserRandom
from jobs.recommenders import mllib_als
from jobs.recommenders.confidence import build_strengths, numbered
from jobs.recommenders.training_data import Learned, learn
from models import pmrs_cf
from models.ials import IALSConfig
from models.implicit_factors import ImplicitFactors
from models.lists import OVERALL
from models.top_n import top_n

MLLIB = mllib_als.Config(rank=4, iterations=5, blocks=2)
CONFIG = IALSConfig(rank=4, iterations=5)
GENRES = ("even", "odd")


@pytest.fixture(scope="module")
def learned(spark: SparkSession) -> Learned:
    draw = np.random.default_rng(3)
    rows = [
        (f"u{u:02d}", f"t{t:02d}", float(draw.integers(1, 9)))
        for u in range(30)
        for t in range(20)
        if draw.random() < 0.4
    ]
    history = spark.createDataFrame(rows, "user_id string, track_id string, rating double")
    split = PerUserRandom().split(Listening(history.limit(0), history))
    return learn(split.train, None, genres_of(spark), GENRES)


def genres_of(spark: SparkSession) -> DataFrame:
    rows = [(f"t{t:02d}", [0.9, 0.1] if t % 2 else [0.2, 0.8]) for t in range(20)]
    return spark.createDataFrame(rows, "track_id string, probabilities array<double>")


def test_folding_in_gives_the_factors_of_the_last_half_step_of_mllib(learned: Learned) -> None:
    """MLlib as the oracle of the objective and of its solution."""
    strengths = build_strengths(learned.train, MLLIB.min_rating)
    users, items = numbered(strengths, "user_id", "user"), numbered(strengths, "track_id", "item")
    item_factors, user_factors = mllib_als.fit(strengths, users, items, MLLIB)
    ours = np.array(
        [row["factors"] for row in item_factors.join(items, "item").orderBy("track_id").collect()], dtype=np.float32
    )
    theirs = np.array([row["factors"] for row in user_factors.join(users, "user").orderBy("user_id").collect()])
    found = ImplicitFactors(ours, MLLIB.objective, MLLIB.min_rating).fold_in(learned.ratings)
    np.testing.assert_allclose(found, theirs, rtol=2e-3, atol=2e-4)


def test_pmrs_is_asked_for_the_very_list_that_the_night_makes(learned: Learned) -> None:
    (contender,) = named(["pmrs_cf"])
    model = contender.method.fit(learned, CONFIG, 7)
    lists: dict[int, list[int]] = {}
    for row, item, _ in top_n(model, learned.ratings, 10):
        for user, track in zip(row, item, strict=True):
            lists.setdefault(int(user), []).append(int(track))
    (plain,) = named(["als"])
    factors = plain.method.fit(learned, CONFIG, 7)
    assert isinstance(factors, ImplicitFactors)
    catalogue = pmrs_cf.Catalogue(learned.genres, learned.genres.argmax(axis=1))
    asked = learned.ratings
    made = pmrs_cf.top_lists(factors.score(asked), asked, catalogue, CONFIG.min_rating, 10, 1)
    for user in range(asked.shape[0]):
        assert lists[user] == made.item[(made.row == user) & (made.genre == OVERALL)].tolist()


def test_popularity_of_the_last_days_counts_those_days_alone(learned: Learned) -> None:
    (windowed,) = named(["popularity_window"])
    recent = replace(learned, recent=learned.ratings[:1])
    found = windowed.method.fit(recent, windowed.grid[0], 0).score(learned.ratings[:1])
    assert set(np.flatnonzero(found[0])) == set(learned.ratings[:1].indices)
