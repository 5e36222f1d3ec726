"""The genre model that needs no network: models/genre_logreg.py on all descriptors, learned and asked by the same jobs."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType

from jobs.context import JobContext
from jobs.genre.labels import in_order, labelled, with_enough
from jobs.genre.model import GenreModel, TrainingData, on_held_tracks
from jobs.lake.adapters.descriptors import ROW_BYTES, matrix
from jobs.lake.collect import collect_arrow
from jobs.lake.schemas import audio
from models import genre_logreg
from models.data.clips import split_tracks
from models.genre_logreg import GenreLogReg, GenreLogRegConfig
from models.training.objectives import Multilabel

HELD_SHARE = 0.15
"""Of each genre's tracks: as the networks hold out."""


def training_rows(descriptors: DataFrame, tracks: DataFrame, min_tracks: int) -> DataFrame:
    """Rows of `track_descriptors` with `genres`, by track id; genres with too few labelled tracks left out."""
    return with_enough(descriptors.join(labelled(tracks), "track_id"), min_tracks).orderBy("track_id")


def learn(ctx: JobContext, min_tracks: int) -> TrainingData | None:
    """Fit on the labelled tracks of the night but for some of each genre, of which the card tells; None: fewer than two genres."""
    rows = training_rows(ctx.read_required("track_descriptors"), ctx.read_required("tracks"), min_tracks)
    table = collect_arrow(rows, ROW_BYTES, "described tracks to learn from")
    genres, truth = in_order(ctx.genres.genres, table["genres"].to_pylist())
    if len(genres) < 2:
        return None
    several = bool((truth.sum(1) > 1).any())
    config, tracks = GenreLogRegConfig(multi_label=several), np.array(table["track_id"].to_pylist())
    features = matrix(table)
    held = split_tracks(tracks, Multilabel(truth).strata, HELD_SHARE, config.seed)
    head = genre_logreg.fit(features[~held], truth[~held].astype(np.float64), tracks[~held], config)
    ctx.night.on_progress("fitted the genre head", 1, 1)
    card = {
        "method": "Genre head: logistic regression on all descriptors of the audio",
        "genres": genres,
        "head": genre_logreg.to_card(config),
        "tracks": len(tracks),
        "calibration": _calibration(head, len(set(tracks[~held]))),
        **on_held_tracks(tracks[held].tolist(), truth[held], head.predict(features[held]), several),
        "held_use": "nothing was learned or chosen on these tracks",
    }
    return TrainingData(genre_logreg.to_bytes(head), card)


def _calibration(head: GenreLogReg, tracks: int) -> str:
    """How, in words, with so many tracks to learn from; empty where they were too few."""
    folds = head.config.folds
    unseen = f"found on {folds} folds of whole tracks that the fit had not seen (Guo et al. 2017)"
    return f"one temperature, {head.temperature:.2f}, {unseen}" if 2 <= folds <= tracks else ""


def features() -> Column:
    """All descriptors of a row as one array, in the order of `jobs.lake.adapters.descriptors.NAMES`."""
    numbers = F.array(*[F.col(column.name).cast("double") for column in audio.NUMBERS])
    return F.concat(numbers, *[F.col(column.name).cast("array<double>") for column in audio.VECTORS])


def predictor(config: dict[str, Any], weights: Any) -> Callable[[], Callable[[NDArray[Any]], NDArray[np.float32]]]:
    """For `predict_batch_udf`: reads the head once per worker. `weights`: a broadcast of safetensors bytes."""

    def make() -> Callable[[NDArray[Any]], NDArray[np.float32]]:
        head = genre_logreg.from_bytes(GenreLogRegConfig(**config), weights.value)
        return lambda batch: head.predict(batch.astype(np.float64)).astype(np.float32)

    return make


def build_scores(described: DataFrame, model: GenreModel, batch: int, decimals: int) -> DataFrame:
    """`content_hash`, `probabilities` (in the order of the model's genres), `embedding` (none: empty).

    `described`: rows of `track_descriptors`, each content once.
    """
    weights = described.sparkSession.sparkContext.broadcast(model.registered.weights)
    width = len(genre_logreg.from_bytes(GenreLogRegConfig(**model.registered.card["head"]), model.registered.weights).mean)
    score = predict_batch_udf(
        predictor(model.registered.card["head"], weights),
        return_type=ArrayType(FloatType()), batch_size=batch, input_tensor_shapes=[[width]],
    )  # fmt: skip
    said = described.select("content_hash", score(features()).alias("said"))
    rounded = F.transform("said", lambda value: F.round(value.cast("double"), decimals).cast("float"))
    return said.select("content_hash", rounded.alias("probabilities"), F.array().cast("array<float>").alias("embedding"))
