"""The MSD's artist_similarity.db (SQLite): table similarity, a row per artist and similar artist."""

from collections.abc import Iterator, Sequence

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshotFormat, split_rows, to_text


def to_frames(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
    """Yield rows of table `artist_similarity`."""
    pairs = [(number, to_text(artist), to_text(similar)) for number, artist, similar in rows]
    return split_rows(pairs, ("artist_id", "similar_id"), ("missing_artist", "an artist is empty", all))


SELECT = "SELECT r.rowid, r.target, r.similar FROM similarity r"
FORMAT = SqliteSnapshotFormat(
    "artist_similarity", (Query("similarity", frozenset({"target", "similar"}), SELECT, to_frames),)
)
