"""The MSD's artist_similarity.db (SQLite): its table similarity, a row per artist and similar artist."""

from collections.abc import Iterator, Sequence

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshot, framed, text


def frame(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
    """Rows of table `artist_similarity`."""
    pairs = [(number, text(artist), text(similar)) for number, artist, similar in rows]
    return framed(pairs, ("artist_id", "similar_id"), ("missing_artist", "an artist is empty", all))


SELECT = "SELECT r.rowid, r.target, r.similar FROM similarity r"
FORMAT = SqliteSnapshot("artist_similarity", (Query("similarity", frozenset({"target", "similar"}), SELECT, frame),))
