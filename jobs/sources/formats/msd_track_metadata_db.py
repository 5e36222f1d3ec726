"""The MSD's track_metadata.db (SQLite): its table songs, a row per track."""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshot, framed, text

TEXTS = ("song_id", "title", "artist_id", "artist_name", "release")
COLUMNS = ("track_id", *TEXTS, "year", "duration")


def frame(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
    """Rows of table `source_tracks`; year 0 and length 0 mean unknown."""
    return framed(
        (_told(row, prefix) for row in rows),
        ("track_id", "song_id", "title", "artist_id", "artist", "release", "year", "duration_s"),
        ("missing_id", "track_id or song_id is empty", lambda row: row[0] and row[1]),
    )


def _told(row: Row, prefix: str) -> Row:
    number, track, *names, year, seconds = row
    known, own = _positive(year, 9999), text(track)
    return number, own and prefix + own, *map(text, names), known and int(known), _positive(seconds, 1e9)


def _positive(value: Any, limit: float) -> float | None:
    """A number above 0 and up to the limit; anything else is unknown."""
    known = isinstance(value, int | float) and isfinite(value) and 0 < value <= limit
    return float(value) if known else None


QUERY = Query("songs", frozenset(COLUMNS), f"SELECT r.rowid, {', '.join(f'r.{name}' for name in COLUMNS)} FROM songs r", frame)
FORMAT = SqliteSnapshot("source_tracks", (QUERY,))
