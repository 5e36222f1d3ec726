"""Inference of clip networks in Spark tasks: predictions per clip, averaged per track or content."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from jobs.lake.adapters.batches import joined
from jobs.lake.adapters.mels import to_mels
from jobs.lake.adapters.texts import vectors_in
from jobs.training.broadcast_weights import BroadcastWeights, broadcast_weights
from jobs.training.config import CLIPS_PER_TASK
from models.types import F32

if TYPE_CHECKING:
    from models.clip_network import ClipNetwork

NAMES = ("outputs", "embedding")


def side_features(rows: pa.Table) -> F32 | None:
    """Return column `vector` [N, E]; None if the rows have no such column."""
    return vectors_in(rows) if "vector" in rows.column_names else None


def build_clip_predictions(
    clips: DataFrame, key: str, network_card: dict[str, Any], weights: bytes, clips_per_task: int = CLIPS_PER_TASK
) -> DataFrame:
    """Return `key`, `outputs` and `embedding` (arrays of doubles): means over the clips of each key.

    `clips`: columns `key`, `clip`, `mel` and, for a network with side features, `vector`. Run it under
    `rows_per_batch(BATCH_SIZE)`: the batches of Arrow are those of the network.
    """
    shared, card = broadcast_weights(clips.sparkSession, weights), json.dumps(network_card)

    def predict_means(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from models.clip_network import predict

        network = _load_network(card, shared)

        def predictions() -> Iterator[pa.RecordBatch]:
            for batch in filter(len, batches):
                rows = pa.Table.from_batches([batch])
                outputs, embeddings = predict(network, to_mels(rows["mel"]), len(rows), side_features(rows))
                columns = [
                    pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), part.shape[1])
                    for part in (outputs, embeddings)
                ]
                yield pa.record_batch([batch.column(key), *columns], [key, *NAMES])

        for table in joined(predictions()):
            yield _means(table, key)

    tasks = max(1, -(-clips.count() // clips_per_task))
    ordered = clips.repartition(tasks, key).sortWithinPartitions(key, "clip")
    return ordered.mapInArrow(predict_means, f"{key} string, outputs array<double>, embedding array<double>")


@lru_cache(maxsize=1)
def _load_network(card: str, weights: BroadcastWeights) -> "ClipNetwork":
    """Return the network of a card (JSON) on the best device; it is loaded once per Python worker."""
    import torch

    from models.genre_networks import from_bytes, from_card
    from models.torch_device import best_device

    device = best_device()
    if device.type == "cpu":
        torch.set_num_threads(1)  # Spark runs one task per core already
    return from_bytes(from_card(json.loads(card)).network, weights.value).to(device)


def _means(table: pa.Table, key: str) -> pa.RecordBatch:
    """Return the float64 means over consecutive rows of equal `key`, summed in their order."""
    keys = table[key].combine_chunks()
    changes = pc.not_equal(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False)
    starts = np.append(0, np.flatnonzero(changes) + 1)
    counts = np.diff(starts, append=len(keys))[:, None]
    columns = [keys.take(pa.array(starts))]
    for name in NAMES:
        vectors = table[name].combine_chunks()
        values = vectors.flatten().to_numpy().reshape(len(vectors), -1).astype(np.float64)
        mean = np.add.reduceat(values, starts) / counts
        columns.append(pa.FixedSizeListArray.from_arrays(mean.ravel(), mean.shape[1]).cast(pa.list_(pa.float64())))
    return pa.RecordBatch.from_arrays(columns, [key, *NAMES])
