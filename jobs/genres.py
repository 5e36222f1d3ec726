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
    return GenreSet(name, genres, {g.lower(): g for g in genres} | words["labels"], words["terms"])
