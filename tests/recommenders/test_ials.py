"""iALS on Spark: blocks in tasks give the factors of one machine, to the last bit."""

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from scipy.sparse import csr_array

from jobs.lake.files import FileStore
from jobs.recommenders import als_blocks, ials
from jobs.recommenders.confidence import build_confidence, numbered
from models import als_solver
from models import ials as model
from models.ials import IALSConfig
from models.interactions import confidence_weights

CONFIG = IALSConfig(rank=6, iterations=3)
USERS, TRACKS = 50, 23


@pytest.fixture(scope="module")
def ratings() -> csr_array:
    rng = np.random.default_rng(6)
    dense = (rng.random((USERS, TRACKS)) < 0.3) * rng.integers(1, 9, (USERS, TRACKS)).astype(np.float32)
    dense[np.arange(USERS), np.arange(USERS) % TRACKS] = 2
    return csr_array(dense)


@pytest.fixture(scope="module")
def history(spark: SparkSession, ratings: csr_array) -> DataFrame:
    entries = ratings.tocoo()
    rows = [(f"u{u:02d}", f"t{t:02d}", float(r)) for u, t, r in zip(entries.row, entries.col, entries.data, strict=True)]
    rows.append(("skipper", "t00", 0.0))
    return spark.createDataFrame(rows, "user_id string, track_id string, rating double")


def factorize(history: DataFrame, store: FileStore) -> tuple[NDArray[np.float32], NDArray[np.float32], list[int]]:
    """Return item and user factors in the order of their ids, and the iterations reported."""
    interactions, done = build_confidence(history, CONFIG.min_rating), list[int]()
    users, items = numbered(interactions, "user_id", "user"), numbered(interactions, "track_id", "item")
    with ials.factorize(interactions, users, items, CONFIG, done.append, store) as frames:
        tables = [frame.orderBy(frame.columns[0]).toArrow() for frame in frames]
    assert tables[0]["track_id"].to_pylist() == [f"t{t:02d}" for t in range(TRACKS)]
    assert tables[1]["user_id"].to_pylist() == [f"u{u:02d}" for u in range(USERS)]
    item_factors, user_factors = (np.array(table["factors"].to_pylist(), np.float32) for table in tables)
    return item_factors, user_factors, done


@pytest.mark.parametrize("location", ["driver", "tasks"])
def test_spark_gives_the_bits_of_one_machine(
    history: DataFrame, ratings: csr_array, location: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(model, "BLOCK_INTERACTIONS", 60)
    if location == "tasks":
        monkeypatch.setattr(als_blocks, "INTERACTION_BYTES", 2**40)
    item_factors, user_factors, done = factorize(history, FileStore(str(tmp_path)))
    assert done == [1, 2, 3]
    np.testing.assert_array_equal(item_factors, model.fit(ratings, CONFIG))
    folded = als_solver.solve(
        confidence_weights(ratings, 1.0), als_solver.with_gram(torch.from_numpy(item_factors)), CONFIG.objective
    )
    np.testing.assert_array_equal(user_factors, folded.float().numpy())


def test_blocks_have_equal_sizes_for_rows_in_any_order(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first three of forty tracks have most interactions, as if ids were ordered by popularity."""
    monkeypatch.setattr(model, "BLOCK_INTERACTIONS", 30)
    matrix = csr_array(np.arange(40)[None] < np.array([[40], [40], [40], *[[1 + n % 4] for n in range(37)]]), dtype=np.float32)
    counts = np.diff(matrix.indptr)
    local = [matrix[span].nnz for span in model.row_blocks(matrix)]
    assert sum(local) == matrix.nnz
    assert max(local) <= 30 + counts.max()
    assert len(local) > 5
    rows = [(f"u{u:02d}", f"t{t:02d}", 1.0) for t, u in zip(*matrix.nonzero(), strict=True)]
    interactions = spark.createDataFrame(rows, "user_id string, track_id string, confidence float")
    tracks = numbered(interactions, "track_id", "item").orderBy("item").collect()
    blocks_of_interactions = np.bincount([row["item_block"] for row in tracks], weights=[row["n_interactions"] for row in tracks])
    assert blocks_of_interactions[blocks_of_interactions > 0].tolist() == local


def test_driver_of_a_cluster_fits_only_few_interactions(history: DataFrame) -> None:
    cluster = Mock(sparkSession=Mock(sparkContext=Mock(getConf=lambda: {"spark.master": "spark://somewhere:7077"})))
    assert als_blocks.fits_here(cluster, 1_000, 1_000)
    assert not als_blocks.fits_here(cluster, 1_001, 1_000)
    assert als_blocks.fits_here(history, 1_001, 1_000)
    assert not als_blocks.fits_here(history, 2**31 // als_blocks.INTERACTION_BYTES + 1, 1_000)


def test_number_of_threads_changes_no_bit(ratings: csr_array, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "BLOCK_INTERACTIONS", 60)
    interactions = confidence_weights(ratings, 1.0)
    one, three = (model.fit_als(interactions, CONFIG, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one, three)
    alone, together = (model.fold_in(interactions, one, CONFIG, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(alone, together)
