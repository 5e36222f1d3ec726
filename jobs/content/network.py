"""Factors of tracks from their clips: the trunk of the genre networks with a regression head (van den Oord et al. 2013).

The network is trained on the driver, on the tracks with most users, and predicts on Spark.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.lake.adapters.factors import factors_in
from jobs.lake.adapters.mels import MEL_BYTES, to_mels
from jobs.lake.collect import collect_arrow
from jobs.training.clip_inference import build_clip_predictions, side_features
from models.clip_config import ClipModelConfig
from models.clip_training import train
from models.content_factors import to_unit
from models.genre_networks import make_config, to_bytes, to_card
from models.training.checkpoint import EpochReport
from models.training.targets import EmbeddingRegression
from models.types import F32


@dataclass(frozen=True)
class AudioFactorModel:
    """A trained network that predicts factors."""

    settings: ClipModelConfig
    weights: bytes
    cosine: float
    """Mean cosine of predicted and real factors of validation tracks; NaN: there were none."""
    baseline: float
    """Mean cosine of a constant prediction, the mean of the training tracks."""
    n_training_tracks: int


def popular_tracks(factors: DataFrame, history: DataFrame, limit: int) -> DataFrame:
    """Return the rows of `factors` of the `limit` tracks with most users."""
    users = history.groupBy("track_id").agg(F.count("*").alias("n_users")).join(factors, "track_id")
    return users.orderBy(F.desc("n_users"), "track_id").limit(limit).drop("n_users")


def fit(
    clips: DataFrame, name: str, max_clips: int, on_epoch: Callable[[EpochReport], object] = lambda _: None
) -> AudioFactorModel | None:
    """Train the network of this name on rows `track_id`, `clip`, `mel`, `factors` and, with text, `vector`.

    `max_clips`: clips over all epochs. None if there is no clip.
    """
    rows = collect_arrow(clips.orderBy("track_id", "clip"), MEL_BYTES, "clips of played tracks")
    if not rows.num_rows:
        return None
    targets, tracks = to_unit(factors_in(rows).astype(np.float64)).astype(np.float32), rows["track_id"].to_pylist()
    text = side_features(rows)
    # one thread: with more, the last digits of equal nights could differ
    settings = make_config(
        name, n_outputs=targets.shape[1], task="regression", n_side_features=0 if text is None else text.shape[1],
        max_clips=max_clips, threads=1,
    )  # fmt: skip
    result = train(to_mels(rows["mel"]), EmbeddingRegression(targets), tracks, settings, on_epoch, side_features=text)
    validation = _validation(tracks, targets, result.val_tracks, result.history[result.best_epoch - 1])
    return AudioFactorModel(settings, to_bytes(result.model), *validation)


def _validation(tracks: list[str], targets: F32, val_tracks: tuple[str, ...], best: EpochReport) -> tuple[float, float, int]:
    """Return cosine and baseline of the validation tracks, and the number of training tracks."""
    names, first = np.unique(np.array(tracks), return_index=True)
    in_validation, units = np.isin(names, val_tracks), targets[first].astype(np.float64)
    if not in_validation.any() or in_validation.all():
        return float("nan"), float("nan"), len(names)
    constant = to_unit(units[~in_validation].mean(0)[None])
    baseline = float((units[in_validation] @ constant[0]).mean())
    return best.metrics["cosine"], baseline, int((~in_validation).sum())


def build_predictions(clips: DataFrame, model: AudioFactorModel) -> DataFrame:
    """Return `track_id`, `factors` (doubles, not normalised): the mean over a track's clips; `clips` as in `fit`.

    Run it under `rows_per_batch(BATCH_SIZE)`, because a clip is large.
    """
    means = build_clip_predictions(clips, "track_id", to_card(model.settings), model.weights)
    return means.select("track_id", F.col("outputs").alias("factors"))
