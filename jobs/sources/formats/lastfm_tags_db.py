"""The MSD's Last.fm tags, lastfm_tags.db (SQLite): tid_tag has a row per track and tag, by their rowids in tids and tags."""

from collections.abc import Iterator, Sequence
from math import isfinite

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshot, text
from jobs.sources.reading.whole_files import reject


def frame(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
    """Rows of table `track_tags`."""
    told = [(number, text(track), text(tag), weight) for number, track, tag, weight in rows]
    if bad := [number for number, track, tag, _ in told if not track or not tag]:
        yield reject("missing_id", "its track or tag is empty or not in the tables tids and tags", bad)
    named = [row for row in told if row[1] and row[2]]
    if odd := [number for number, *_, weight in named if not _weight(weight)]:
        yield reject("bad_weight", "val is not a number", odd)
    if good := [(n, prefix + str(track), tag, float(weight)) for n, track, tag, weight in named if _weight(weight)]:
        yield pd.DataFrame(good, columns=["line", "track_id", "tag", "weight"])


def _weight(value: object) -> bool:
    return isinstance(value, int | float) and isfinite(value)


SELECT = (
    "SELECT r.rowid, tids.tid, tags.tag, r.val FROM tid_tag r "
    "LEFT JOIN tids ON tids.rowid = r.tid LEFT JOIN tags ON tags.rowid = r.tag"
)
FORMAT = SqliteSnapshot(
    "track_tags",
    (Query("tid_tag", frozenset({"tid", "tag", "val"}), SELECT, frame),),
    others=(("tids", frozenset({"tid"})), ("tags", frozenset({"tag"}))),
)
