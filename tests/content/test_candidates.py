"""Cold-start candidates: unplayed tracks of each user, with reasons."""

import numpy as np
import pytest
from pyspark.sql import SparkSession
from scipy.sparse import csr_array

from jobs.content.candidates import build_candidates, build_queries, recommend
from jobs.content.features import ColdStartItems
from models import exact_index
from models.content_factors import to_unit

N_PLAYED = 3
FACTORS = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], np.float32)
"""Factors of the new tracks n0, n1 and n2."""
UNITS = [[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.9, 0.1, 0], [0.1, 0.8, 0.1], [0.4, 0.5, 0.1]]
DESCRIPTORS = to_unit(np.array(UNITS)).astype(np.float32)
ITEMS = ColdStartItems(("t0", "t1", "t2", "n0", "n1", "n2"), N_PLAYED, DESCRIPTORS, FACTORS)


def ratings_of(*rows: dict[int, float]) -> csr_array:
    dense = np.zeros((len(rows), 6), np.float32)
    is_rated = np.zeros((len(rows), 6), bool)
    for row, ratings in enumerate(rows):
        for item, rating in ratings.items():
            dense[row, item], is_rated[row, item] = rating, True
    where = np.nonzero(is_rated)
    return csr_array((dense[where], where[1], np.append(0, np.cumsum(is_rated.sum(1)))), shape=dense.shape)


def recommended(users: list[list[float]], user_items: csr_array, k: int) -> list[tuple[int, str, float, int]]:
    items = recommend(np.array(users, np.float32), user_items, ITEMS, exact_index.build_index(FACTORS), k, 1.0)
    names = [ITEMS.track_ids[N_PLAYED + item] for item in items.item]
    return [*zip(items.row.tolist(), names, items.score.round(4).tolist(), items.reason.tolist(), strict=True)]


def test_nearest_track_is_recommended_at_any_norm_of_the_factors() -> None:
    rows = recommended([[5.0, 0.0], [0.0, 0.01]], ratings_of({0: 1}, {1: 2}), 2)
    assert [(row, name, score) for row, name, score, _ in rows] == [(0, "n0", 1.0), (0, "n2", 0.6), (1, "n1", 1.0), (1, "n2", 0.8)]


def test_reason_is_the_liked_track_with_the_most_similar_audio() -> None:
    """The first user skipped t0: its rating is 0, so it is no reason. The last user likes no track with audio."""
    rows = recommended([[1.0, 0.0]] * 3, ratings_of({0: 0.0, 1: 2.0}, {0: 1.0, 1: 5.0}, {}), 1)
    assert [reason for _, _, _, reason in rows] == [1, 0, -1]


def test_rated_tracks_are_excluded_and_zero_factors_give_no_candidates() -> None:
    assert recommended([[1.0, 0.0], [0.0, 0.0]], ratings_of({3: 0.0}, {0: 1.0}), 1) == [(0, "n2", 0.6, -1)]


@pytest.mark.parametrize("tasks", [1, 3])
def test_spark_gives_the_same_rows_for_any_number_of_tasks(spark: SparkSession, tasks: int) -> None:
    ratings = [("a", "t0", 3.0), ("a", "elsewhere", 1.0), ("b", "t1", 1.0), ("b", "n1", 0.0)]
    history = spark.createDataFrame(ratings, "user_id string, track_id string, rating double")
    factors = spark.createDataFrame(
        [("a", [1.0, 0.0]), ("b", [0.0, 2.0]), ("c", [1.0, 1.0])], "user_id string, factors array<float>"
    )
    rows = build_candidates(build_queries(history, factors, ITEMS, tasks), ITEMS, 1, 1.0).orderBy("user_id").collect()
    assert [(row.user_id, row.track_id, round(row.score, 4), row.reason_track_id) for row in rows] == [
        ("a", "n0", 1.0, "t0"), ("b", "n2", 0.8, "t1"), ("c", "n2", 0.9899, None),
    ]  # fmt: skip
