"""The MSD's track_metadata.db (SQLite): table songs, a row per track."""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshotFormat, split_rows, to_text

TEXTS = ("song_id", "title", "artist_id", "artist_name", "release")
COLUMNS = ("track_id", *TEXTS, "year", "duration")


def to_frames(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
    """Yield rows of table `source_tracks`; year 0 and length 0 mean unknown."""
    return split_rows(
        (_catalogue_row(row, prefix) for row in rows),
        ("track_id", "song_id", "title", "artist_id", "artist", "release", "year", "duration_s"),
        ("missing_id", "track_id or song_id is empty", lambda row: row[0] and row[1]),
    )


def _catalogue_row(row: Row, prefix: str) -> Row:
    number, track, *names, year, seconds = row
    known_year, track_id = _positive(year, 9999), to_text(track)
    return (
        number,
        track_id and prefix + track_id,
        *map(to_text, names),
        known_year and int(known_year),
        _positive(seconds, 1e9),
    )


def _positive(value: Any, limit: float) -> float | None:
    """Return a number above 0 and up to the limit; None for anything else."""
    is_known = isinstance(value, int | float) and isfinite(value) and 0 < value <= limit
    return float(value) if is_known else None


QUERY = Query(
    "songs", frozenset(COLUMNS), f"SELECT r.rowid, {', '.join(f'r.{name}' for name in COLUMNS)} FROM songs r", to_frames
)
FORMAT = SqliteSnapshotFormat("source_tracks", (QUERY,))
