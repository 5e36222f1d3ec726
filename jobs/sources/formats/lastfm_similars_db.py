"""The MSD's Last.fm similarity, lastfm_similars.db (SQLite): a row per track with a list `track,score,track,score...`.

similars_src tells which tracks are similar to one, similars_dest to which ones it is similar: the same pairs from the other end.
Both are read, and pairs that both tell count once.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshot, text
from jobs.sources.reading.whole_files import MORE, reject

NUMBER = r"[0-9]{1,3}(\.[0-9]{1,20})?([eE]-?[0-9]{1,2})?"
NUMBERS = re.compile(f"{NUMBER}(,{NUMBER})*")


def pairs(listed: str | None) -> tuple[list[str], list[float]] | None:
    """Tracks and scores of a list; None where it is none."""
    fields = [field.strip() for field in (listed or "").split(",")]
    tracks, scores = fields[::2], fields[1::2]
    if len(tracks) != len(scores) or not all(tracks) or not NUMBERS.fullmatch(",".join(scores)):
        return None
    return tracks, list(map(float, scores))


def framer(forwards: bool) -> Callable[[Sequence[Row], str], Iterator[pd.DataFrame]]:
    """How rows of similars_src (`forwards`) or similars_dest become rows of table `track_similars`."""
    ends = ("track_id", "similar_id") if forwards else ("similar_id", "track_id")

    def frame(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
        bad: list[int] = []
        lines, kinds, own, others, scores = list[int](), list[str](), list[str](), list[str](), list[float]()
        for number, named, listed in rows:
            track, found = text(named), pairs(text(listed))
            if not track or not found:
                bad.append(number)
                continue
            count = len(found[0])
            lines += [number] * count
            kinds += ["good", *[MORE] * (count - 1)]
            own += [prefix + track] * count
            others += [prefix + other for other in found[0]]
            scores += found[1]
        if bad:
            yield reject("bad_similars", "the track is empty, or target is not track,score,track,score...", bad)
        if lines:
            yield pd.DataFrame({"line": lines, "kind": kinds, ends[0]: own, ends[1]: others, "score": scores})

    return frame


def _query(name: str, forwards: bool) -> Query:
    return Query(name, frozenset({"tid", "target"}), f"SELECT r.rowid, r.tid, r.target FROM {name} r", framer(forwards))


FORMAT = SqliteSnapshot("track_similars", (_query("similars_src", True), _query("similars_dest", False)))
