"""Genre sets and the maps into them, defined in `genres.toml`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jobs.errors import SourceError


@dataclass(frozen=True)
class GenreSet:
    """The genres of a run, in the order of every probability vector, with the maps into them (keys in lower case)."""

    name: str
    genres: tuple[str, ...]
    labels: dict[str, str]
    """Annotators' label -> genre; every genre maps to itself."""
    terms: dict[str, str]
    """Artist term -> genre; each term is one vote."""
    tags: dict[str, str]
    """Style tag of the pretrained audio network (TAGS of models/musicnn.py, MSD) -> genre; a genre without a tag is never
    recognised by tags."""
    other_styles: tuple[str, ...]
    """Style tags of the network that name no genre of this set."""


@cache
def genre_set(name: str) -> GenreSet:
    """Return the genre set of this name. Raises SourceError that lists the existing sets."""
    tables = tomllib.loads((Path(__file__).parent / "genres.toml").read_text())
    if name not in tables["sets"]:
        raise SourceError(f"genres = {name!r} is not a genre set; available are {', '.join(tables['sets'])}.")
    genres = tuple(tables["sets"][name])
    words: dict[str, dict[str, str]] = {}
    for kind in ("labels", "terms"):
        words[kind] = tables[kind].get(tables["like"].get(name), {}) | tables[kind].get(name, {})
    tags = tables["tags"].get(tables["like"].get(name), {}) | tables["tags"].get(name, {})
    other_styles = tuple(tag for tag in tables["tags"]["styles"] if tag not in tags)
    return GenreSet(name, genres, {g.lower(): g for g in genres} | words["labels"], words["terms"], tags, other_styles)
