"""Genre models in the registry: kinds, names, and validation metrics for the model card."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.genre.config import LOGREG, MODELS
from jobs.lake.inputs import model_input
from jobs.lake.model_registry import RegisteredModel
from models.types import F64

EPS = 1e-6
"""Lower bound of probabilities, so that logarithms stay finite."""


@dataclass(frozen=True)
class GenreModel:
    """A registered model and its genres (those of the genre set that had labelled audio)."""

    registered: RegisteredModel
    genres: tuple[str, ...]
    preset: str
    """Mel preset of its clips; empty: it uses no clips."""


@dataclass(frozen=True)
class TrainedModel:
    """A trained model that is not registered yet."""

    weights: bytes
    """Safetensors."""
    card: dict[str, Any]


def check_model(model: str) -> None:
    """Raise SourceError, with the existing models, for another name."""
    if model not in MODELS:
        raise SourceError(
            f"There is no genre model {model!r}; set `model` under [jobs.genre_train] to one of {', '.join(MODELS)}."
        )


def model_name(genre_set: str, model: str, preset: str) -> str:
    """Return the registry name: one model per kind, genre set and, for networks, preset."""
    check_model(model)
    parts = (model, genre_set) if model == LOGREG else (model, genre_set, preset)
    return "-".join(parts)


def registered_model(ctx: JobContext, model: str, preset: str) -> GenreModel | None:
    """Return the model for the run's genre set, and record it as an input; None if none could be trained."""
    name = model_name(ctx.genres.name, model, preset)
    ctx.record(model_input(name), ctx.night.models.digest(name) or "")
    registered = ctx.night.models.load(name)
    if registered is None:
        return None
    return GenreModel(registered, tuple(registered.card["genres"]), registered.card.get("preset", ""))


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
