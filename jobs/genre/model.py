"""The registered genre model: which kinds there are, its name, its way between the registry and the jobs, and how good it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.lake.model_registry import RegisteredModel

HEAD = "head"
MODELS = {"pmrs_cnn": "genre_cnn", "short_chunk": "short_chunk", HEAD: HEAD}
"""What the job genre_train can be asked for, and what `pmrs evaluate genres` and the registry call it: the paper's network, a small
modern one (both hear clips: models/genre_networks.py), and a classic model of descriptors (models/genre_logreg.py)."""
DEFAULT_MODEL, DEFAULT_PRESET = "pmrs_cnn", "pmrs-4s"
LEAST = 1e-6
"""Least probability: no logarithm of it runs away."""


@dataclass(frozen=True)
class GenreModel:
    """A registered model and the genres that it tells apart (those of the set that had labelled audio)."""

    registered: RegisteredModel
    genres: tuple[str, ...]
    preset: str
    """Mel preset of the clips that it hears; empty: it hears none."""


@dataclass(frozen=True)
class TrainingData:
    """A trained model on its way to the registry."""

    weights: bytes
    """As safetensors."""
    card: dict[str, Any]


def kind_of(model: str) -> str:
    """What the registry calls a model of this kind. Raises SourceError naming those there are."""
    if model not in MODELS:
        raise SourceError(f"There is no genre model {model!r}; set `model` under [jobs.genre_train] to one of {', '.join(MODELS)}.")
    return MODELS[model]


def model_name(genre_set: str, model: str, preset: str) -> str:
    """Registry name: one model per kind, genre set and, where it hears clips, preset."""
    parts = (kind_of(model), genre_set) if model == HEAD else (kind_of(model), genre_set, preset)
    return "-".join(parts)


def registered_model(ctx: JobContext, model: str, preset: str) -> GenreModel | None:
    """The model for the run's genre set, recorded as an input; None where none could be trained."""
    name = model_name(ctx.genres.name, model, preset)
    ctx.inputs[f"model|{name}"] = ctx.night.models.digest(name) or ""
    found = ctx.night.models.load(name)
    return GenreModel(found, tuple(found.card["genres"]), found.card.get("preset", "")) if found else None


def on_held_tracks(
    tracks: Sequence[str], truth: NDArray[np.floating], said: NDArray[np.float64], several: bool = False
) -> dict[str, Any]:
    """What a card tells of H tracks that were held out, with genres `truth` [H, G], 1 or 0, and probabilities `said` [H, G].

    `held_confusion` [G][G]: tracks by their genre (rows) and the one that the model gives them (columns), in the order of the
    card's `genres`; a track of several genres stands in the row of the one that the model gives it, where that is one of its, else
    of its first. `held_log_loss`: of the track's genre; with `several`, the mean over all genres, each there or not. Without such
    tracks there are no figures.
    """
    labels = "several" if several else "one"
    if not len(tracks):
        return {"labels": labels, "held_tracks": []}
    top, rows = said.argmax(1), np.arange(len(tracks))
    counts = np.zeros((said.shape[1], said.shape[1]), np.int64)
    np.add.at(counts, (np.where(truth[rows, top] > 0, top, truth.argmax(1)), top), 1)
    right = np.where(truth > 0, said, 1 - said) if several else said[rows, truth.argmax(1)]
    likelihood = np.maximum(right, LEAST)
    return {
        "labels": labels,
        "held_tracks": list(tracks),
        "held_accuracy": float(counts.trace() / counts.sum()),
        "held_log_loss": float(-np.log(likelihood).mean()),
        "held_confusion": counts.tolist(),
    }
