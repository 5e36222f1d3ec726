"""The registered genre network: its name, and its way between the registry and the jobs."""

from dataclasses import dataclass

from jobs.context import JobContext
from jobs.lake.models import RegisteredModel

DEFAULT_PRESET = "pmrs-4s"
DEFAULT_NETWORK = "genre_cnn"
"""Of models/genre_networks.py: the paper's."""


@dataclass(frozen=True)
class GenreModel:
    """A registered model and the genres that its head tells apart (those of the set that had labelled audio)."""

    registered: RegisteredModel
    genres: tuple[str, ...]
    preset: str


def model_name(genre_set: str, preset: str, network: str) -> str:
    """Registry name: one model per network, genre set and preset."""
    return f"{network}-{genre_set}-{preset}"


def registered_model(ctx: JobContext, preset: str, network: str) -> GenreModel | None:
    """The model for the run's genre set, recorded as an input; None where none could be trained."""
    name = model_name(ctx.genres.name, preset, network)
    ctx.inputs[f"model|{name}"] = ctx.night.models.digest(name) or ""
    found = ctx.night.models.load(name)
    return GenreModel(found, tuple(found.card["genres"]), found.card["preset"]) if found else None
