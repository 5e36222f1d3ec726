"""The MSD's Last.fm similarity, lastfm_similars.db (SQLite): a row per track with a list `track,score,track,score...`.

similars_src tells which tracks are similar to one, similars_dest to which ones it is similar: the same pairs from the other end.
Both are read, and pairs that both tell count once.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshot, text
from jobs.sources.reading.whole_files import MORE, reject

NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{1,20})?([eE]-?[0-9]{1,2})?")
Pairs = list[tuple[str, float]]


def pairs(listed: str | None) -> Pairs | None:
    """Tracks and scores of a list; None where it is none."""
    fields = [field.strip() for field in (listed or "").split(",")]
    tracks, scores = fields[::2], fields[1::2]
    if len(tracks) != len(scores) or not all(tracks) or not all(map(NUMBER.fullmatch, scores)):
        return None
    return list(zip(tracks, map(float, scores), strict=True))


def framer(forwards: bool) -> Callable[[Sequence[Row], str], Iterator[pd.DataFrame]]:
    """How rows of similars_src (`forwards`) or similars_dest become rows of table `track_similars`."""

    def frame(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
        good, bad = [], []
        for number, track, listed in rows:
            found = pairs(text(listed))
            if not text(track) or not found:
                bad.append(number)
                continue
            for place, (other, score) in enumerate(found):
                ends = (prefix + str(text(track)), prefix + other)
                good.append((number, MORE if place else "good", *(ends if forwards else ends[::-1]), score))
        if bad:
            yield reject("bad_similars", "the track is empty, or target is not track,score,track,score...", bad)
        for start in range(0, len(good), 100_000):
            columns = ["line", "kind", "track_id", "similar_id", "score"]
            yield pd.DataFrame(good[start : start + 100_000], columns=columns)

    return frame


def _query(name: str, forwards: bool) -> Query:
    return Query(name, frozenset({"tid", "target"}), f"SELECT r.rowid, r.tid, r.target FROM {name} r", framer(forwards))


FORMAT = SqliteSnapshot("track_similars", (_query("similars_src", True), _query("similars_dest", False)))
