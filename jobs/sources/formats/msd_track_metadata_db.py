"""The MSD's track_metadata.db (SQLite): its table songs, a row per track."""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshot, text
from jobs.sources.reading.whole_files import reject

TEXTS = ("song_id", "title", "artist_id", "artist_name", "release")
COLUMNS = ("track_id", *TEXTS, "year", "duration")


def frame(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
    """Rows of table `source_tracks`; year 0 and length 0 mean unknown."""
    good, bad = [], []
    for number, *values in rows:
        track, song, *names, year, seconds = values
        if not text(track) or not text(song):
            bad.append(number)
            continue
        title, artist_id, artist, release = map(text, names)
        described = {"song_id": text(song), "title": title, "artist_id": artist_id, "artist": artist, "release": release}
        measured = {"year": int(known) if (known := _positive(year, 9999)) else None, "duration_s": _positive(seconds, 1e9)}
        good.append({"line": number, "track_id": prefix + str(text(track)), **described, **measured})
    if bad:
        yield reject("missing_id", "track_id or song_id is empty", bad)
    if good:
        yield pd.DataFrame(good)


def _positive(value: Any, limit: float) -> float | None:
    """A number above 0 and up to the limit; anything else is unknown."""
    known = isinstance(value, int | float) and isfinite(value) and 0 < value <= limit
    return float(value) if known else None


QUERY = Query("songs", frozenset(COLUMNS), f"SELECT r.rowid, {', '.join(f'r.{name}' for name in COLUMNS)} FROM songs r", frame)
FORMAT = SqliteSnapshot("source_tracks", (QUERY,))
