"""Generate ids in the form of the MSD's and the Taste Profile's, and fictional names."""

import tomllib
from pathlib import Path

from numpy.random import Generator

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
HEX = "0123456789ABCDEF"

WORDS = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))


def letters(rng: Generator, alphabet: str, size: int) -> str:
    """Return `size` random characters."""
    return "".join(alphabet[i] for i in rng.integers(len(alphabet), size=size))


def msd_id(rng: Generator, kind: str) -> str:
    """Return `kind` (TR, SO or AR) and 16 characters: five letters, eleven hexadecimal digits."""
    return kind + letters(rng, LETTERS, 5) + letters(rng, HEX, 11)


def user_id(rng: Generator) -> str:
    """Return forty hexadecimal digits, as in the Taste Profile."""
    return letters(rng, HEX.lower(), 40)


def mbid(rng: Generator) -> str:
    """Return a MusicBrainz id: a UUID."""
    digits = letters(rng, HEX.lower(), 32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def artist_names(rng: Generator, count: int) -> list[str]:
    """Return distinct names; beyond 840 they get a number."""
    every = [f"{a} {b}" for a in WORDS["first"] for b in WORDS["second"]]
    order = rng.permutation(len(every))
    return [every[order[i % len(every)]] + (f" {i // len(every) + 1}" if i >= len(every) else "") for i in range(count)]


def title(rng: Generator) -> str:
    """Return a track's title; titles may repeat."""
    return f"{rng.choice(WORDS['open'])} {rng.choice(WORDS['close'])}"
