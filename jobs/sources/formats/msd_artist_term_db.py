"""The MSD's artist_term.db (SQLite): terms of the Echo Nest and tags of MusicBrainz, a row per artist and word."""

from collections.abc import Iterator, Sequence

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshot, text
from jobs.sources.reading.whole_files import reject


def frame(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
    """Rows of table `artist_terms`, in lower case as the CSV exports give them."""
    pairs = [(number, text(artist), (text(term) or "").strip().lower()) for number, artist, term in rows]
    if bad := [number for number, artist, term in pairs if not artist or not term]:
        yield reject("missing_term", "the artist or the term is empty", bad)
    if good := [pair for pair in pairs if pair[1] and pair[2]]:
        yield pd.DataFrame(good, columns=["line", "artist_id", "term"])


def _query(name: str, word: str) -> Query:
    return Query(name, frozenset({"artist_id", word}), f"SELECT r.rowid, r.artist_id, r.{word} FROM {name} r", frame)


FORMAT = SqliteSnapshot("artist_terms", (_query("artist_term", "term"), _query("artist_mbtag", "mbtag")))
