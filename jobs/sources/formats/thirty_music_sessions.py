"""30Music's listening sessions (relations/sessions.idomaar; Turrin et al., 2015): a play for each track of a session.

A track was played at the session's time plus its `playstart` (s), for `playtime` seconds; unknown if -1 or missing. `action`
and `playratio` are not read: they rest on a track's catalogue length and are mostly missing.
"""

import re
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, missing, named
from jobs.sources.listening import TextEvents, instant_of_seconds
from jobs.sources.parsing import idomaar

LINKS = "subjects: array<struct<id: string>>, objects: array<struct<id: string, playstart: double, playtime: double>>"
PLAYSTART = re.compile(rb'"playstart"\s*:\s*([0-9]{1,9})\b')
LONGEST = 1e9
"""Seconds, 31 years: a track is not played for longer."""


def layout(source: Source) -> Layout:
    """One line is one good line, however many plays it gives; one bad track rejects its session."""
    user, tracks = idomaar.linked_user(), F.col("links")["objects"]

    def play(track: Column) -> Column:
        heard = track["playtime"]
        return F.struct(
            named(source, track["id"]).alias("track_id"),
            _played(track).alias("played_at"),
            F.when(heard.between(0, LONGEST), (heard * 1000).cast("long")).alias("ms_played"),
        )

    return Layout(
        parts={"head": idomaar.head(), "links": idomaar.one_object(idomaar.links(), LINKS)},
        faults=(*idomaar.head_faults("event.session", "links"), *_faults(user, tracks)),
        columns={
            "user_id": named(source, user),
            "event": F.lit("play"),
            "session_id": named(source, F.get(F.col("head"), 1)),
            "plays": F.transform(tracks, play),
        },
        expand=_one_row_per_play,
    )


def _faults(user: Column, tracks: Column) -> tuple[Fault, ...]:
    early = F.lit("2000-01-01").cast("timestamp")
    nameless = (F.size(tracks) < 1) | F.exists(tracks, lambda track: idomaar.identifier(track["id"]).isNull())
    timeless = idomaar.moment(F.get(F.col("head"), 2)).isNull() | F.exists(tracks, lambda track: _played(track).isNull())
    return (
        Fault("missing_user", "the user is missing", missing(user)),
        Fault("missing_track", "the session has no tracks, or one of them has no id", tracks.isNull() | nameless),
        Fault("bad_time", "the session's time is unknown (-1), or a track's playstart is no number", timeless),
        Fault("before_2000", "a track was played before the year 2000", F.exists(tracks, lambda t: _played(t) < early)),
    )


def _played(track: Column) -> Column:
    """When the track began; null where that is not told."""
    return instant_of_seconds(F.get(F.col("head"), 2).try_cast("double") + track["playstart"])


def _one_row_per_play(sessions: DataFrame) -> DataFrame:
    plays = sessions.select("file", "user_id", "event", "session_id", F.inline("plays"))
    return plays.select(
        "file", "user_id", "track_id", "event", F.lit(None).cast("double").alias("rating"), "ms_played", "played_at",
        "session_id", F.lit(True).alias("within_late_window"), F.col("played_at").cast("date").alias("dt"),
    )  # fmt: skip


def newest_day(source: Source, path: str) -> date | None:
    """The date of the last play: a session's last track may be of the next day."""
    newest = -1
    for second, line in idomaar.told_seconds(path):
        newest = max(newest, second + max((int(start) for start in PLAYSTART.findall(line)), default=0))
    return idomaar.day_of(newest)


FORMAT = TextEvents(layout, newest_day)
