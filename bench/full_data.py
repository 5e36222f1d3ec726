"""Generate a synthetic Taste Profile, in full size or in part, with its numbers and distributions of users, songs and triplets."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from bench.song_sampler import SongSampler, make_sampler
from models.types import I64

USERS, SONGS, TRIPLETS = 1_019_318, 384_546, 48_373_586
MIN_PLAYS, MAX_PLAYS = 10, 4_400
"""Songs of a user; the median is 27 and the mean 47.5 (McFee et al. 2012).

In small parts no user has more than a twentieth of all songs.
"""
TASTES = 200
MAX_USERS_OF_A_SONG = 110_479
"""Users of the most popular song."""
TASTE_ROUNDS = 4
"""Rounds of sampling by taste. Later rounds sample uniformly: a user may have nearly all songs of a taste."""
GENRES = ("Breakbeat", "Dancehall", "Drum and bass", "Funky house", "Hip Hop", "Rock", "Trance")
"""Of the genre set `pmrs7`."""
USER_BATCH = 20_000
"""Users sampled at once."""


@dataclass(frozen=True)
class FullData:
    """Files of one size, and the numbers of their rows."""

    triplets: Path
    tracks: Path
    """unique_tracks.txt: a track for each song."""
    labels: Path
    """genres.cls: one of GENRES for each track."""
    users: int
    songs: int
    rows: int


def full_data(size: Fraction, folder: Path) -> FullData:
    """Write the files if they do not exist, and return them.

    Users, songs and triplets have the same factor `size`, so that the triplets per user and per song do not change.
    """
    users, songs, rows = (round(full_size * size) for full_size in (USERS, SONGS, TRIPLETS))
    files = folder / "train_triplets.txt", folder / "unique_tracks.txt", folder / "genres.cls"
    data = FullData(*files, users, songs, rows)
    if data.triplets.exists():
        return data
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [f"{n:016X}" for n in range(songs)]
    data.tracks.write_text("".join(f"TR{n}<SEP>SO{n}<SEP>Artist {i % 9973}<SEP>Song {i}\n" for i, n in enumerate(numbers)))
    genres = np.random.default_rng(13).choice(GENRES, songs)
    data.labels.write_text("".join(f"TR{n}\t{genre}\n" for n, genre in zip(numbers, genres, strict=True)))
    partial = data.triplets.with_suffix(".part")
    rng = np.random.default_rng(12)
    counts = _counts(rng, users, rows, min(MAX_PLAYS, songs // 20))
    sampler = make_sampler(rng, _weights(songs), TASTES)
    names = pa.array([f"SO{n}" for n in numbers])
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    schema = pa.schema([("user", pa.string()), ("song", pa.string()), ("plays", pa.int64())])
    with csv.CSVWriter(partial, schema, write_options=options) as out:
        for start in range(0, users, USER_BATCH):
            user, song = _pairs(rng, counts[start : start + USER_BATCH], sampler)
            ids = pa.array([f"{number:040x}" for number in range(start, min(start + USER_BATCH, users))])
            plays = np.minimum(rng.geometric(0.5, user.size), 9_999)
            out.write_table(pa.table([ids.take(pa.array(user)), names.take(pa.array(song)), pa.array(plays)], schema=schema))
    partial.rename(data.triplets)
    return data


def _counts(rng: np.random.Generator, users: int, rows: int, maximum: int) -> I64:
    """Return the number of songs of each user, with the sum `rows`: MIN_PLAYS plus a log-normal number, about `maximum` at most."""
    lengths = MIN_PLAYS + np.minimum(rng.lognormal(np.log(17), 1.256, users), maximum - MIN_PLAYS)
    counts: I64 = np.maximum(MIN_PLAYS, np.floor(lengths * (rows / lengths.sum()))).astype(np.int64)
    # the rounding error goes to the users with the most songs
    order = np.argsort(-counts, kind="stable")
    difference = rows - int(counts.sum())
    counts[order[: abs(difference) % users]] += np.sign(difference)
    counts += np.sign(difference) * (abs(difference) // users)
    return counts


def _weights(songs: int) -> NDArray[np.float64]:
    """Return the weight of each song: a power law with a flat head.

    Of USERS users the first song has MAX_USERS_OF_A_SONG, the middle one about ten.
    """
    return np.asarray((np.arange(songs) + 130.0) ** -1.3)


def _pairs(rng: np.random.Generator, counts: I64, sampler: SongSampler) -> tuple[I64, I64]:
    """Return distinct (user, song), `counts` songs per user: sampled in rounds, the last ones without taste."""
    songs = sampler.n_songs
    taste = rng.integers(0, TASTES, counts.size)
    pairs = np.empty(0, dtype=np.int64)
    missing = counts.copy()
    rounds = 0
    while missing.any():
        rounds += 1
        user = np.repeat(np.arange(counts.size), missing + missing // 4)
        song = sampler.sample(rng, taste[user]) if rounds <= TASTE_ROUNDS else rng.integers(0, songs, user.size)
        new = np.setdiff1d(np.unique(user * songs + song), pairs)
        new = new[np.argsort(rng.random(new.size))]
        new = new[np.argsort(new // songs, kind="stable")]
        position = np.arange(new.size) - np.searchsorted(new // songs, new // songs)
        new = new[position < missing[new // songs]]
        pairs = np.concatenate([pairs, new])
        missing -= np.bincount(new // songs, minlength=counts.size)
    pairs.sort()
    return pairs // songs, pairs % songs
