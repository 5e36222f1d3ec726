"""The evaluator hands the play order of a task's inputs to the models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pyspark.sql import SparkSession
from scipy.sparse import csr_array

from jobs.evaluate.evaluator import Evaluator, Metadata
from jobs.evaluate.splits import Split, Task
from models.queries import Queries
from models.types import F32, I64, Tensors


class Successor:
    """Recommends the track after the last one played; without an order it has no evidence."""

    def score(self, queries: Queries) -> F32:
        scores = np.zeros(queries.user_items.shape, np.float32)
        if queries.sequences is not None:
            last = queries.sequences.padded(1, 0)[:, 0]
            scores[np.arange(len(queries)), (last + 1) % scores.shape[1]] = 1.0
        return scores

    def contributions(self, user_items: csr_array, item_ids: Sequence[I64]) -> list[F32]:
        history = np.diff(user_items.indptr)
        return [np.zeros((len(items), n), np.float32) for items, n in zip(item_ids, history, strict=True)]

    def tensors(self) -> Tensors:
        return {}


def test_a_sequence_model_is_scored_with_the_inputs_in_play_order(spark: SparkSession, tmp_path: Path) -> None:
    tracks = [f"t{n}" for n in range(6)]
    train = spark.createDataFrame(
        [("u", track, 1.0) for track in tracks], "user_id string, track_id string, rating double"
    )
    plays = [("a", 1, "t4"), ("a", 2, "t1"), ("a", 3, "unknown"), ("b", 2, "t3"), ("b", 1, "t2")]
    sequence = spark.createDataFrame(plays, "query_id string, position int, track_id string")
    rows = [("a", "u", "t4", 1.0), ("a", "u", "t1", 1.0), ("b", "u", "t2", 1.0), ("b", "u", "t3", 1.0)]
    inputs = spark.createDataFrame(rows, "query_id string, user_id string, track_id string, rating double")
    truth = spark.createDataFrame(
        [("a", "t2", 1.0), ("b", "t4", 1.0)], "query_id string, track_id string, rating double"
    )
    task = Task("next", "the next track", inputs, truth, "all", sequence)
    split = Split("sessions", "sessions", train, train, (task,), lambda: split)
    users = spark.createDataFrame([("u", None)], "user_id string, country string")
    catalogue = spark.createDataFrame(
        [(track, "artist", track) for track in tracks], "track_id string, artist string, title string"
    )
    evaluator = Evaluator(split, Metadata(catalogue, None, (), users), tmp_path)
    ranked = evaluator._rank(Successor(), evaluator.training_data, task).where("rank = 1").collect()
    assert {row["query_id"]: row["track_id"] for row in ranked} == {"a": "t2", "b": "t4"}
