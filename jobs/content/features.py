"""Factors of tracks without plays, predicted from audio (and text), for the job `content`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.content import network
from jobs.content.config import ContentConfig
from jobs.context import JobContext
from jobs.errors import LakeError
from jobs.lake.adapters import texts
from jobs.lake.adapters.audio_features import COLUMNS, ROW_BYTES
from jobs.lake.adapters.descriptors import matrix
from jobs.lake.adapters.factors import factors_in
from jobs.lake.adapters.mels import build_clips
from jobs.lake.collect import collect_arrow
from jobs.lake.feature_sets import FeatureChoice, FeatureSet
from jobs.lake.partitions import Partitions
from jobs.log import logger
from jobs.spark import rows_per_batch
from jobs.training.audio_features import available_sets, read_features
from jobs.training.clip_inference import side_features
from jobs.training.config import BATCH_SIZE
from models import content_factors
from models.content_factors import to_unit
from models.defaults import NETWORK_NAMES
from models.training.checkpoint import EpochReport
from models.types import F32, F64

LOG = logger(__name__)


@dataclass(frozen=True)
class ColdStartItems:
    """Tracks with audio: first those with factors, then those without plays."""

    track_ids: tuple[str, ...]
    n_played: int
    """Number of tracks with factors; they come first."""
    audio: F32
    """[T, D] audio features, standardised, rows of length 1: inner products are cosines."""
    factors: F32
    """[T - n_played, F] predicted factors, of length 1."""


@dataclass(frozen=True)
class Prediction:
    """Prediction factors of the tracks without plays, with their validation."""

    factors: F64
    """[N, F] of length 1; zeros: no prediction."""
    cosine: float
    """Mean cosine of predicted and real factors of validation tracks; NaN: there were too few."""
    baseline: float
    """Mean cosine of a constant prediction."""
    n_training_tracks: int
    features: FeatureSet
    """Audio features that predict; of a network, those that explain a recommendation."""


def fit_cold_start(ctx: JobContext, config: ContentConfig) -> ColdStartItems | None:
    """Fit the prediction and return the cold-start tracks; None, with the reason in the log, if none can be recommended."""
    # the features explain a network's recommendations
    feature_sets = available_sets(ctx, "auto" if config.encoder in NETWORK_NAMES else cast(FeatureChoice, config.encoder))
    described = _described(ctx, config.text, feature_sets[0])
    with_factors = described.join(ctx.read_required("item_factors"), "track_id")
    played = collect_arrow(with_factors, _row_bytes(config), "features of played tracks").sort_by("track_id")
    without_plays = described.join(ctx.read_required("history").select("track_id"), "track_id", "left_anti")
    unplayed = collect_arrow(without_plays, _row_bytes(config), "features of tracks without plays").sort_by("track_id")
    if not config.slots or not played.num_rows or not unplayed.num_rows:
        LOG.info("no cold-start candidates", slots=config.slots, played=played.num_rows, unplayed=unplayed.num_rows)
        return None
    if config.encoder in NETWORK_NAMES:
        prediction = _by_network(ctx, config, unplayed, feature_sets[0])
    else:
        prediction = _by_ridge(played, unplayed, feature_sets)
    validation = {
        "cosine": round(prediction.cosine, 4), "baseline": round(prediction.baseline, 4),
        "training_tracks": prediction.n_training_tracks, "features": prediction.features,
    }  # fmt: skip
    if not prediction.cosine >= prediction.baseline + config.min_cosine_gain:
        LOG.warning("no cold-start candidates: audio does not predict factors", **validation)
        return None
    LOG.info("cold start", encoder=config.encoder, text=config.text, **validation)
    track_ids = (*played["track_id"].to_pylist(), *unplayed["track_id"].to_pylist())
    # rounded: the last bits of sums depend on the number of threads
    factors = prediction.factors.round(6).astype(np.float32)
    columns = COLUMNS[prediction.features]
    return ColdStartItems(track_ids, played.num_rows, _unit_audio(matrix(played, columns), matrix(unplayed, columns)), factors)


def _row_bytes(config: ContentConfig) -> int:
    return ROW_BYTES + (texts.ROW_BYTES if config.text else 0)


def _described(ctx: JobContext, text: bool, features: FeatureSet) -> DataFrame:
    described = read_features(ctx, features).select("track_id", *COLUMNS[features])
    return with_text(ctx, described) if text else described


def with_text(ctx: JobContext, rows: DataFrame) -> DataFrame:
    """Return `rows` with the text vector of their `track_id`; zeros for a track without text.

    Raises LakeError if no track has a text vector.
    """
    vectors = texts.build_track_vectors(ctx.read("track_texts"), ctx.read("text_vectors", Partitions.CACHE))
    first = vectors.first()
    if first is None:
        raise LakeError(
            "No track has a text vector: set `encoder` under [jobs.text_vectors] (tracks need a title or an artist), or remove "
            "`text` under [jobs.content]."
        )
    zeros = F.array_repeat(F.lit(0.0).cast("float"), len(first["vector"]))
    return rows.join(vectors, "track_id", "left").withColumn("vector", F.coalesce("vector", zeros))


def _unit_audio(played: F64, unplayed: F64) -> F32:
    """Return the features [T, D] of both, standardised by the played tracks, as unit vectors."""
    scale = played.std(0)
    standardized = (np.vstack([played, unplayed]) - played.mean(0)) / np.where(scale > content_factors.EPS, scale, 1.0)
    return to_unit(standardized).astype(np.float32)


def _features(rows: pa.Table, features: FeatureSet) -> F64:
    audio, text = matrix(rows, COLUMNS[features]), side_features(rows)
    return audio if text is None else np.hstack([audio, text.astype(np.float64)])


def _by_ridge(played: pa.Table, unplayed: pa.Table, feature_sets: tuple[FeatureSet, ...]) -> Prediction:
    """Return the prediction of the feature set with the highest validation cosine; of the first one without validation."""
    factors = factors_in(played).astype(np.float64)
    models = {name: content_factors.fit(_features(played, name), factors) for name in feature_sets}
    # NaN, without validation tracks, compares as the smallest
    best = max(models, key=lambda name: np.nan_to_num(models[name].cosine, nan=-2.0))
    model, predicted = models[best], models[best].predict(_features(unplayed, best))
    return Prediction(predicted, model.cosine, model.baseline, played.num_rows, best)


def _by_network(ctx: JobContext, config: ContentConfig, unplayed: pa.Table, features: FeatureSet) -> Prediction:
    def on_epoch(epoch: EpochReport) -> None:
        ctx.night.on_progress("training the content network", epoch.epoch, epoch.epochs)

    mel, track_clips = ctx.read("mel", Partitions.CACHE), ctx.read("track_clips")
    clips = build_clips(mel, track_clips, config.preset).drop("tiled")
    if config.text:
        clips = with_text(ctx, clips)
    factors, history = ctx.read_required("item_factors"), ctx.read_required("history")
    training = network.popular_tracks(factors, history, config.max_training_tracks)
    labelled = clips.join(F.broadcast(training), "track_id")
    model = network.fit(labelled, config.encoder, config.max_training_clips, on_epoch)
    track_ids: Sequence[str] = unplayed["track_id"].to_pylist()
    if model is None:
        LOG.warning("no played track has clips of the preset; has the job mel run for it?", preset=config.preset)
        return Prediction(np.empty((len(track_ids), 0)), float("nan"), float("nan"), 0, features)
    ids = F.broadcast(ctx.spark.createDataFrame(unplayed.select(["track_id"])))
    with rows_per_batch(ctx.spark, BATCH_SIZE):
        predictions = network.build_predictions(clips.join(ids, "track_id"), model)
        row_bytes = 9 * model.settings.network.n_outputs + 100
        rows = collect_arrow(predictions, row_bytes, "factors of tracks without plays", rows=len(track_ids))
    predicted = np.zeros((len(track_ids), model.settings.network.n_outputs))
    index = {track_id: row for row, track_id in enumerate(track_ids)}
    if rows.num_rows:
        predicted[[index[track_id] for track_id in rows["track_id"].to_pylist()]] = factors_in(rows)
    return Prediction(to_unit(predicted), model.cosine, model.baseline, model.n_training_tracks, features)
