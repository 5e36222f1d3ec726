"""Logistic regression on features of the audio (models/genre_logreg.py), trained and scored in jobs."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType

from jobs.context import JobContext
from jobs.genre.config import GenreTrainConfig
from jobs.genre.labels import drop_rare_genres, encode_labels, labelled
from jobs.genre.model import GenreModel, TrainedModel, validation_metrics
from jobs.lake.adapters.audio_features import COLUMNS, ROW_BYTES, feature_array
from jobs.lake.adapters.descriptors import matrix
from jobs.lake.collect import collect_arrow
from jobs.lake.feature_sets import FeatureSet
from jobs.training.audio_features import available_sets, read_features
from jobs.training.pretrained import embeddings_version
from models import genre_logreg
from models.data.clips import split_tracks
from models.defaults import VAL_SHARE
from models.genre_logreg import GenreLogReg, GenreLogRegConfig
from models.training.targets import Multilabel
from models.types import F32

TITLES: dict[FeatureSet, str] = {
    "descriptors": "descriptors of the audio",
    "embeddings": "embeddings of the pretrained network",
    "both": "descriptors of the audio and embeddings of the pretrained network",
}
LOGREG_CARD = "logreg"
"""Key of the configuration in the model card."""


def training_rows(features: DataFrame, tracks: DataFrame, min_tracks: int) -> DataFrame:
    """Return rows of `features` (`track_id`, ...) with `genres`, by track id, without genres of too few tracks."""
    return drop_rare_genres(features.join(labelled(tracks), "track_id"), min_tracks).orderBy("track_id")


def fit(ctx: JobContext, config: GenreTrainConfig) -> TrainedModel | None:
    """Fit on the night's labelled tracks without those that validate. Returns None for fewer than two genres."""
    feature_sets = available_sets(ctx, config.features)
    described = read_features(ctx, feature_sets[0], required=True)
    rows = training_rows(described, ctx.read_required("tracks"), config.min_tracks)
    table = collect_arrow(rows, ROW_BYTES, "features of labelled tracks")
    genres, truth = encode_labels(ctx.genres.genres, table["genres"].to_pylist())
    if len(genres) < 2:
        return None
    multilabel = bool((truth.sum(1) > 1).any())
    settings, tracks = GenreLogRegConfig(multi_label=multilabel), np.array(table["track_id"].to_pylist())
    val_mask = split_tracks(tracks, Multilabel(truth).strata, VAL_SHARE, settings.seed)
    matrices = {name: matrix(table, COLUMNS[name]) for name in feature_sets}
    training = {name: values[~val_mask] for name, values in matrices.items()}
    model, features = genre_logreg.fit_best(training, truth[~val_mask].astype(np.float64), tracks[~val_mask], settings)
    ctx.night.on_progress("fitted the genre model", 1, 1)
    probabilities = model.predict(matrices[features][val_mask])
    card = {
        "method": f"Logistic regression on {TITLES[features]}",
        "genres": genres,
        "features": features,
        "embeddings": "" if config.features == "descriptors" else embeddings_version(ctx),
        LOGREG_CARD: genre_logreg.to_card(settings),
        "tracks": len(tracks),
        "calibration": _calibration(model, len(set(tracks[~val_mask]))),
        **validation_metrics(tracks[val_mask].tolist(), truth[val_mask], probabilities, multilabel),
        "val_use": "nothing was fitted or chosen on these tracks",
    }
    return TrainedModel(genre_logreg.to_bytes(model), card)


def _calibration(model: GenreLogReg, n_tracks: int) -> str:
    """Describe the calibration; empty if there were too few training tracks."""
    folds = model.config.folds
    unseen = f"fitted on {folds} cross-validation folds of whole tracks (Guo et al. 2017)"
    return f"one temperature, {model.temperature:.2f}, {unseen}" if 2 <= folds <= n_tracks else ""


def predictor(config: dict[str, Any], weights: Any) -> Callable[[], Callable[[NDArray[Any]], F32]]:
    """Return a function for `predict_batch_udf` that loads the model once per worker. `weights`: broadcast bytes."""

    def load() -> Callable[[NDArray[Any]], F32]:
        model = genre_logreg.from_bytes(GenreLogRegConfig(**config), weights.value)
        return lambda batch: model.predict(batch.astype(np.float64)).astype(np.float32)

    return load


def build_scores(
    rows: DataFrame, features: FeatureSet, model: GenreModel, batch_size: int, decimals: int
) -> DataFrame:
    """Return `content_hash`, `probabilities` (in the order of the model's genres) and an empty `embedding`.

    `rows`: of `read_features`, each content once.
    """
    weights = rows.sparkSession.sparkContext.broadcast(model.registered.weights)
    config = model.registered.card[LOGREG_CARD]
    width = len(genre_logreg.from_bytes(GenreLogRegConfig(**config), model.registered.weights).mean)
    score = predict_batch_udf(
        predictor(config, weights),
        return_type=ArrayType(FloatType()),
        batch_size=batch_size,
        input_tensor_shapes=[[width]],
    )
    scored = rows.select("content_hash", score(feature_array(features)).alias("probabilities"))
    rounded = F.transform("probabilities", lambda value: F.round(value.cast("double"), decimals).cast("float"))
    return scored.select(
        "content_hash", rounded.alias("probabilities"), F.array().cast("array<float>").alias("embedding")
    )
