"""The MSD's Last.fm similarity, lastfm_similars.db (SQLite): a row per track with a list `track,score,track,score...`.

similars_src lists the tracks that are similar to a track, similars_dest the tracks to which it is similar: the same
pairs in the other direction. Both are read; pairs in both tables count once.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from jobs.sources.reading.python_readers import EXTRA, rejected_frame
from jobs.sources.reading.sqlite import Query, Row, SqliteSnapshotFormat, to_text

NUMBER = r"[0-9]{1,3}(\.[0-9]{1,20})?([eE]-?[0-9]{1,2})?"
NUMBERS = re.compile(f"{NUMBER}(,{NUMBER})*")


def parse_pairs(listed: str | None) -> tuple[list[str], list[float]] | None:
    """Return the tracks and scores of a list; None if it is malformed."""
    fields = [field.strip() for field in (listed or "").split(",")]
    tracks, scores = fields[::2], fields[1::2]
    if len(tracks) != len(scores) or not all(tracks) or not NUMBERS.fullmatch(",".join(scores)):
        return None
    return tracks, list(map(float, scores))


def frame_builder(from_track: bool) -> Callable[[Sequence[Row], str], Iterator[pd.DataFrame]]:
    """Return a function from rows of similars_src (`from_track`) or similars_dest to rows of table `track_similars`."""
    ends = ("track_id", "similar_id") if from_track else ("similar_id", "track_id")

    def to_frames(rows: Sequence[Row], prefix: str) -> Iterator[pd.DataFrame]:
        bad: list[int] = []
        lines, kinds, track_ids, similar_ids, scores = list[int](), list[str](), list[str](), list[str](), list[float]()
        for number, named, listed in rows:
            track, similar = to_text(named), parse_pairs(to_text(listed))
            if not track or not similar:
                bad.append(number)
                continue
            count = len(similar[0])
            lines += [number] * count
            kinds += ["good", *[EXTRA] * (count - 1)]
            track_ids += [prefix + track] * count
            similar_ids += [prefix + other for other in similar[0]]
            scores += similar[1]
        if bad:
            yield rejected_frame("bad_similars", "the track is empty, or target is not track,score,track,score...", bad)
        if lines:
            yield pd.DataFrame(
                {"line": lines, "kind": kinds, ends[0]: track_ids, ends[1]: similar_ids, "score": scores}
            )

    return to_frames


def _query(name: str, from_track: bool) -> Query:
    return Query(
        name, frozenset({"tid", "target"}), f"SELECT r.rowid, r.tid, r.target FROM {name} r", frame_builder(from_track)
    )


FORMAT = SqliteSnapshotFormat("track_similars", (_query("similars_src", True), _query("similars_dest", False)))
