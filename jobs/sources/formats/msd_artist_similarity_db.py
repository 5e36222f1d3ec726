"""The MSD's artist_similarity.db (SQLite): its table similarity, a row per artist and similar artist."""

from collections.abc import Iterator, Sequence

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshot, text
from jobs.sources.reading.whole_files import reject


def frame(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
    """Rows of table `artist_similarity`."""
    pairs = [(number, text(artist), text(similar)) for number, artist, similar in rows]
    if bad := [number for number, artist, similar in pairs if not artist or not similar]:
        yield reject("missing_artist", "an artist is empty", bad)
    if good := [pair for pair in pairs if pair[1] and pair[2]]:
        yield pd.DataFrame(good, columns=["line", "artist_id", "similar_id"])


SELECT = "SELECT r.rowid, r.target, r.similar FROM similarity r"
FORMAT = SqliteSnapshot("artist_similarity", (Query("similarity", frozenset({"target", "similar"}), SELECT, frame),))
