"""The MSD's artist_term.db (SQLite): terms of the Echo Nest and tags of MusicBrainz, a row per artist and word."""

from collections.abc import Iterator, Sequence

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshot, framed, text


def frame(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
    """Rows of table `artist_terms`, in lower case as the CSV exports give them."""
    pairs = [(number, text(artist), (text(term) or "").strip().lower()) for number, artist, term in rows]
    return framed(pairs, ("artist_id", "term"), ("missing_term", "the artist or the term is empty", all))


def _query(name: str, word: str) -> Query:
    return Query(name, frozenset({"artist_id", word}), f"SELECT r.rowid, r.artist_id, r.{word} FROM {name} r", frame)


FORMAT = SqliteSnapshot("artist_terms", (_query("artist_term", "term"), _query("artist_mbtag", "mbtag")))
