"""The MSD's artist_term.db (SQLite): terms of the Echo Nest and tags of MusicBrainz, a row per artist and term."""

from collections.abc import Iterator, Sequence

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshotFormat, split_rows, to_text


def to_frames(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
    """Yield rows of table `artist_terms`, in lower case like the CSV exports."""
    pairs = [(number, to_text(artist), (to_text(term) or "").strip().lower()) for number, artist, term in rows]
    return split_rows(pairs, ("artist_id", "term"), ("missing_term", "the artist or the term is empty", all))


def _query(name: str, word: str) -> Query:
    return Query(name, frozenset({"artist_id", word}), f"SELECT r.rowid, r.artist_id, r.{word} FROM {name} r", to_frames)


FORMAT = SqliteSnapshotFormat("artist_terms", (_query("artist_term", "term"), _query("artist_mbtag", "mbtag")))
