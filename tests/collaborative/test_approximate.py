"""Lists from approximate search: the setting that selects it, and the index in Spark's tasks."""

from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from jobs.collaborative.candidates import ServingModel, build_candidates, with_index
from jobs.collaborative.config import CandidatesConfig
from models import ivf_index
from models.als_solver import ALSObjective
from models.ials import ALSModel
from models.pmrs_cf import Catalogue

TRACKS = 400
MODEL = ALSModel(np.random.default_rng(3).normal(size=(TRACKS, 6)).astype(np.float32), ALSObjective())
CATALOGUE = Catalogue(np.ones((TRACKS, 1), np.float32), np.zeros(TRACKS, np.int64))
EXACT = ServingModel(MODEL, CATALOGUE, tuple(f"t{number:03d}" for number in range(TRACKS)), ("Rock",), "als", False, 1.0, 5, 0)
LARGE = CandidatesConfig(approximate_from=TRACKS)


def candidate_rows(users: DataFrame, serving: ServingModel, config: CandidatesConfig) -> list[Row]:
    return build_candidates(users, serving, config).orderBy("user_id", "score", "track_id").collect()


def test_index_search_with_all_probes_gives_the_exact_lists(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ivf_index, "ITEMS_PER_LIST", 20)
    histories = [(f"u{user}", list(range(user, 300, user + 3)), [1.0] * len(range(user, 300, user + 3))) for user in range(9)]
    schema = "user_id string, items array<int>, ratings array<float>"
    users = spark.createDataFrame(histories, schema).repartition(2, "user_id").sortWithinPartitions("user_id")
    index = with_index(EXACT, LARGE).index
    assert index is not None
    assert len(index.centroids) == TRACKS // 20
    expected = candidate_rows(users, EXACT, LARGE)
    assert len(expected) == 9 * 5
    all_probed = replace(EXACT, index=replace(index, probes=ivf_index.MAX_LISTS))
    assert candidate_rows(users, all_probed, LARGE) == expected
    one_probed = candidate_rows(users, replace(EXACT, index=replace(index, probes=1)), LARGE)
    assert len(one_probed) == len(expected)
    assert one_probed != expected  # one probe of the index misses items that the factors give


def test_index_is_built_only_for_overall_lists_of_a_large_catalogue() -> None:
    assert with_index(EXACT, CandidatesConfig()).index is None
    assert with_index(EXACT, replace(LARGE, approximate_from=TRACKS + 1)).index is None
    assert with_index(replace(EXACT, n_per_genre=3), LARGE).index is None
    assert with_index(replace(EXACT, uses_genre_profile=True), LARGE).index is None
