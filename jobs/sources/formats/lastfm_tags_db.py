"""The MSD's Last.fm tags, lastfm_tags.db (SQLite): tid_tag has a row per track and tag, by their rowids in tids and
tags.
"""

from collections.abc import Iterator, Sequence
from math import isfinite

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshotFormat, split_rows, to_text


def to_frames(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
    """Yield rows of table `track_tags`."""
    tagged = (
        (number, _prefixed(prefix, to_text(track)), to_text(tag), _weight(weight))
        for number, track, tag, weight in rows
    )
    return split_rows(
        tagged,
        ("track_id", "tag", "weight"),
        ("missing_id", "its track or tag is empty or not in the tables tids and tags", lambda row: row[0] and row[1]),
        ("bad_weight", "val is not a number", lambda row: row[2] is not None),
    )


def _prefixed(prefix: str, track: str | None) -> str | None:
    return track and prefix + track


def _weight(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


SELECT = (
    "SELECT r.rowid, tids.tid, tags.tag, r.val FROM tid_tag r "
    "LEFT JOIN tids ON tids.rowid = r.tid LEFT JOIN tags ON tags.rowid = r.tag"
)
FORMAT = SqliteSnapshotFormat(
    "track_tags",
    (Query("tid_tag", frozenset({"tid", "tag", "val"}), SELECT, to_frames),),
    joined_tables=(("tids", frozenset({"tid"})), ("tags", frozenset({"tag"}))),
)
