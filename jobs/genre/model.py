"""Genre models in the registry: kinds, names, and validation metrics for the model card."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.context import JobContext
from jobs.genre.config import LOGREG, GenreTrainConfig
from jobs.lake.feature_sets import FeatureSet
from jobs.lake.inputs import model_input
from jobs.lake.model_registry import Card, RegisteredModel
from jobs.log import logger
from jobs.training.pretrained import embeddings_version
from models.types import F64

LOG = logger(__name__)
EPS = 1e-6
"""Lower bound of probabilities, so that logarithms stay finite."""


@dataclass(frozen=True)
class GenreModel:
    """A registered model and its genres (those of the genre set that had labelled audio)."""

    registered: RegisteredModel
    genres: tuple[str, ...]
    preset: str
    """Mel preset of its clips; empty: it uses no clips."""
    features: FeatureSet | None = None
    """Its features; None: it uses clips."""


@dataclass(frozen=True)
class TrainedModel:
    """A trained model that is not registered yet."""

    weights: bytes
    """Safetensors."""
    card: dict[str, Any]


def model_name(genre_set: str, config: GenreTrainConfig) -> str:
    """Return the registry name: one model per kind, genre set and, for networks, preset, for logreg, feature setting."""
    return "-".join((config.model, genre_set, config.features if config.model == LOGREG else config.preset))


def fits_embeddings(ctx: JobContext, card: Card, config: GenreTrainConfig) -> bool:
    """Return True unless the model should be trained on the night's embeddings and was trained on others."""
    if config.model != LOGREG or config.features == "descriptors":
        return True
    return bool(card.get("embeddings", "") == embeddings_version(ctx))


def registered_model(ctx: JobContext, config: GenreTrainConfig) -> GenreModel | None:
    """Return the model for the run's genre set, and record it as an input; None if none could be trained.

    A model on other embeddings than the night's is not used.
    """
    name = model_name(ctx.genres.name, config)
    ctx.record(model_input(name), ctx.night.models.digest(name) or "")
    registered = ctx.night.models.load(name)
    if registered is None:
        return None
    card = registered.card
    if card.get("features") in ("embeddings", "both") and card.get("embeddings") != embeddings_version(ctx):
        LOG.warning("genre model not used: it was trained on other embeddings", model=name, trained_on=card.get("embeddings"))
        return None
    return GenreModel(registered, tuple(card["genres"]), card.get("preset", ""), card.get("features"))


def validation_metrics(
    tracks: Sequence[str], truth: NDArray[np.floating], probabilities: F64, multilabel: bool = False
) -> dict[str, Any]:
    """Return the card's metrics of V validation tracks with genres `truth` [V, G] (1 or 0) and `probabilities` [V, G].

    `val_confusion` [G][G]: tracks by their genre (rows) and predicted genre (columns), in the order of the card's
    `genres`. A track of several genres counts in the row of the predicted one if that is one of its genres, else of its
    first. `val_log_loss`: of the track's genre; with `multilabel` the mean over all genres. Without validation tracks
    there are no metrics.
    """
    labels = "several" if multilabel else "one"
    if not len(tracks):
        return {"labels": labels, "val_tracks": []}
    predicted, rows = probabilities.argmax(1), np.arange(len(tracks))
    confusion = np.zeros((probabilities.shape[1], probabilities.shape[1]), np.int64)
    np.add.at(confusion, (np.where(truth[rows, predicted] > 0, predicted, truth.argmax(1)), predicted), 1)
    of_truth = (
        np.where(truth > 0, probabilities, 1 - probabilities) if multilabel else probabilities[rows, truth.argmax(1)]
    )
    likelihood = np.maximum(of_truth, EPS)
    return {
        "labels": labels,
        "val_tracks": list(tracks),
        "val_accuracy": float(confusion.trace() / confusion.sum()),
        "val_log_loss": float(-np.log(likelihood).mean()),
        "val_confusion": confusion.tolist(),
    }
