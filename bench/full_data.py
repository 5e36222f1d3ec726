"""The Taste Profile in full size, or a part of it, synthetic: its numbers of users, songs and triplets, and how they are spread."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from bench.tastes import Numbers, Songs, songs_of

USERS, SONGS, TRIPLETS = 1_019_318, 384_546, 48_373_586
MIN_PLAYS, MAX_PLAYS = 10, 4_400
"""Songs of a user; the median is 27 and the mean 47.5 (McFee et al. 2012). In small parts nobody has over a twentieth of all."""
TASTES = 200
TOP = 110_479
"""Listeners of the most popular song."""
TASTEFUL = 4
"""Rounds of drawing by taste; who has heard nearly all of it would be drawn for without end."""
GENRES = ("Breakbeat", "Dancehall", "Drum and bass", "Funky house", "Hip Hop", "Rock", "Trance")
"""Of the genre set `pmrs7`."""
AT_ONCE = 20_000
"""Users drawn at once."""


@dataclass(frozen=True)
class Full:
    """Files of one size, and what is in them."""

    triplets: Path
    tracks: Path
    """unique_tracks.txt: a track for each song."""
    labels: Path
    """genres.cls: one of GENRES for each track."""
    users: int
    songs: int
    rows: int


def full(size: Fraction, folder: Path) -> Full:
    """Made once, and kept. Users, songs and triplets shrink alike, so that users and songs keep as many triplets each."""
    users, songs, rows = (round(full_size * size) for full_size in (USERS, SONGS, TRIPLETS))
    files = folder / "train_triplets.txt", folder / "unique_tracks.txt", folder / "genres.cls"
    files_ = Full(*files, users, songs, rows)
    if files_.triplets.exists():
        return files_
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [f"{n:016X}" for n in range(songs)]
    files_.tracks.write_text("".join(f"TR{n}<SEP>SO{n}<SEP>Artist {i % 9973}<SEP>Song {i}\n" for i, n in enumerate(numbers)))
    kinds = np.random.default_rng(13).choice(GENRES, songs)
    files_.labels.write_text("".join(f"TR{n}\t{kind}\n" for n, kind in zip(numbers, kinds, strict=True)))
    aside = files_.triplets.with_suffix(".part")
    draw = np.random.default_rng(12)
    counts = _counts(draw, users, rows, min(MAX_PLAYS, songs // 20))
    known = songs_of(draw, _weights(songs), TASTES)
    names = pa.array([f"SO{n}" for n in numbers])
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    schema = pa.schema([("user", pa.string()), ("song", pa.string()), ("plays", pa.int64())])
    with csv.CSVWriter(aside, schema, write_options=options) as out:
        for begin in range(0, users, AT_ONCE):
            user, song = _pairs(draw, counts[begin : begin + AT_ONCE], known)
            ids = pa.array([f"{one:040x}" for one in range(begin, min(begin + AT_ONCE, users))])
            plays = np.minimum(draw.geometric(0.5, user.size), 9_999)
            out.write_table(pa.table([ids.take(pa.array(user)), names.take(pa.array(song)), pa.array(plays)], schema=schema))
    aside.rename(files_.triplets)
    return files_


def _counts(draw: np.random.Generator, users: int, rows: int, maximum: int) -> Numbers:
    """Songs of each user, `rows` in all: MIN_PLAYS and a lognormal number on top, `most` about."""
    drawn = MIN_PLAYS + np.minimum(draw.lognormal(np.log(17), 1.256, users), maximum - MIN_PLAYS)
    counts: Numbers = np.maximum(MIN_PLAYS, np.floor(drawn * (rows / drawn.sum()))).astype(np.int64)
    # what rounding has left over or taken goes to the users with most
    order = np.argsort(-counts, kind="stable")
    rest = rows - int(counts.sum())
    counts[order[: abs(rest) % users]] += np.sign(rest)
    counts += np.sign(rest) * (abs(rest) // users)
    return counts


def _weights(songs: int) -> NDArray[np.float64]:
    """How likely each song is: a power law, flat at its head: the first has TOP listeners of USERS, the middle one some ten."""
    return np.asarray((np.arange(songs) + 130.0) ** -1.3)


def _pairs(draw: np.random.Generator, counts: Numbers, known: Songs) -> tuple[Numbers, Numbers]:
    """(user, song), all different, as many as each user counts: drawn over and over, in the end without taste."""
    songs = known.fame[0].size
    taste = draw.integers(0, TASTES, counts.size)
    pairs = np.empty(0, dtype=np.int64)
    lacking = counts.copy()
    tries = 0
    while lacking.any():
        tries += 1
        user = np.repeat(np.arange(counts.size), lacking + lacking // 4)
        song = known.drawn(draw, taste[user]) if tries <= TASTEFUL else draw.integers(0, songs, user.size)
        new = np.setdiff1d(np.unique(user * songs + song), pairs)
        new = new[np.argsort(draw.random(new.size))]
        new = new[np.argsort(new // songs, kind="stable")]
        position = np.arange(new.size) - np.searchsorted(new // songs, new // songs)
        new = new[position < lacking[new // songs]]
        pairs = np.concatenate([pairs, new])
        lacking -= np.bincount(new // songs, minlength=counts.size)
    pairs.sort()
    return pairs // songs, pairs % songs
