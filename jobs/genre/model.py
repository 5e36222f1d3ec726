"""The registered genre CNN: its name, and its way between the registry and the network."""

from dataclasses import dataclass

from jobs.context import JobContext
from jobs.lake.models import RegisteredModel

DEFAULT_PRESET = "pmrs-4s"


@dataclass(frozen=True)
class GenreModel:
    """A registered model and the genres that its head tells apart (those of the set that had labelled audio)."""

    registered: RegisteredModel
    genres: tuple[str, ...]
    preset: str


def model_name(genre_set: str, preset: str) -> str:
    """Registry name: one model per genre set and preset."""
    return f"genre_cnn-{genre_set}-{preset}"


def registered_model(ctx: JobContext, preset: str) -> GenreModel | None:
    """The model for the run's genre set, recorded as an input; None where none could be trained."""
    name = model_name(ctx.genres.name, preset)
    ctx.inputs[f"model|{name}"] = ctx.night.models.digest(name) or ""
    found = ctx.night.models.load(name)
    return GenreModel(found, tuple(found.card["genres"]), found.card["preset"]) if found else None
