"""Factors of tracks from their clips, by a network: the trunk of the genre models, which says factors (van den Oord et al. 2013).

It learns on the driver from the tracks that most people listen to, and is asked on Spark.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.lake.adapters.factors import factors_in
from jobs.lake.adapters.mels import MEL_BYTES, to_mels
from jobs.lake.adapters.texts import vectors_in
from jobs.lake.collect import collect_arrow
from models.clip_network import TrainingConfig, predict
from models.clip_training import EpochReport, train
from models.content_factors import to_unit
from models.genre_networks import from_bytes, from_card, make_config, to_bytes, to_card
from models.training.objectives import EmbeddingRegression
from models.types import F32

CLIPS_PER_TASK = 256
"""Some ten seconds of one core; also fixes which clips share a batch, so that equal inputs give equal bits."""
BATCH = 32


@dataclass(frozen=True)
class Heard:
    """A network that says factors."""

    settings: TrainingConfig
    weights: bytes
    likeness: float
    """Mean cosine between what it says of tracks that it did not learn from, and their factors; NaN: there were none."""
    baseline: float
    """The same of one prediction for all, the mean of what was learned from."""
    learned_from: int
    """Tracks."""


def most_heard(factors: DataFrame, history: DataFrame, most: int) -> DataFrame:
    """The rows of `factors` of those `most` tracks that most people have listened to."""
    counted = history.groupBy("track_id").agg(F.count("*").alias("listeners")).join(factors, "track_id")
    return counted.orderBy(F.desc("listeners"), "track_id").limit(most).drop("listeners")


def learn(clips: DataFrame, name: str, shown: int, watch: Callable[[EpochReport], None] | None = None) -> Heard | None:
    """Train the network of this name on rows `track_id`, `clip`, `mel`, `factors` and, where text stands beside them, `vector`.

    `shown`: most clips over all epochs. None where there is no clip.
    """
    rows = collect_arrow(clips.orderBy("track_id", "clip"), MEL_BYTES, "clips of liked tracks")
    if not rows.num_rows:
        return None
    wanted, tracks = to_unit(factors_in(rows).astype(np.float64)).astype(np.float32), rows["track_id"].to_pylist()
    told = beside(rows)
    width = 0 if told is None else told.shape[1]
    # one thread: with more, the last digits of equal nights could differ
    settings = make_config(name, n_outputs=wanted.shape[1], task="regression", n_side_features=width, max_clips=shown, threads=1)
    found = train(to_mels(rows["mel"]), EmbeddingRegression(wanted, told), tracks, settings, watch)
    return Heard(settings, to_bytes(found.model), *_held(tracks, wanted, found.val_tracks, found.history[found.best_epoch - 1]))


def _held(tracks: list[str], wanted: F32, held: tuple[str, ...], best: EpochReport) -> tuple[float, float, int]:
    names, first = np.unique(np.array(tracks), return_index=True)
    out, units = np.isin(names, held), wanted[first].astype(np.float64)
    if not out.any() or out.all():
        return float("nan"), float("nan"), len(names)
    one = to_unit(units[~out].mean(0)[None])
    return best.val_accuracy, float((units[out] @ one[0]).mean()), int((~out).sum())


def beside(rows: pa.Table) -> F32 | None:
    """[N, E] of column `vector`; None where there is no such column."""
    return vectors_in(rows) if "vector" in rows.column_names else None


def build_predictions(clips: DataFrame, heard: Heard) -> DataFrame:
    """`track_id`, `factors` (doubles, as long as they come): the mean over a track's clips; `clips` as `learn` has them.

    Computed under `rows_per_batch(BATCH)`: a clip is large.
    """
    weights = clips.sparkSession.sparkContext.broadcast(heard.weights)
    settings = to_card(heard.settings)

    def said(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import torch

        if not torch.cuda.is_available():
            torch.set_num_threads(1)  # Spark runs one task per core already
        network = from_bytes(from_card(settings), weights.value).to("cuda" if torch.cuda.is_available() else "cpu")
        for batch in filter(len, batches):
            rows = pa.Table.from_batches([batch])
            factors, _ = predict(network, to_mels(rows["mel"]), len(rows), beside(rows))
            values = pa.array(list(factors.astype(np.float64)), pa.list_(pa.float64()))
            yield pa.RecordBatch.from_arrays([*batch.select(["track_id", "clip"]).columns, values], ["track_id", "clip", "factors"])

    tasks = max(1, -(-clips.count() // CLIPS_PER_TASK))
    fixed = clips.repartition(tasks, "track_id").sortWithinPartitions("track_id", "clip")
    rows = fixed.mapInArrow(said, "track_id string, clip int, factors array<double>")
    # summed in the order of the clips, so that equal inputs give equal bits
    ordered = rows.groupBy("track_id").agg(F.sort_array(F.collect_list(F.struct("clip", "factors"))).alias("clips"))
    total = "aggregate(clips, 0D, (sum, x) -> sum + x.factors[i])"
    size = heard.settings.n_outputs
    return ordered.select("track_id", F.expr(f"transform(sequence(0, {size - 1}), i -> {total} / size(clips))").alias("factors"))
