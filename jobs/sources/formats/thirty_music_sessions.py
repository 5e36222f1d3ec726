"""30Music's listening sessions (relations/sessions.idomaar; Turrin et al., 2015): a play for each track of a session.

A track was played at the session's time plus its `playstart` (s), for `playtime` seconds; -1 or missing: unknown.
`action` and `playratio` are ignored: they depend on a track's catalogue length and are mostly missing.
"""

import re
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.event_format import TextEventFormat, timestamp_from_seconds
from jobs.sources.line_format import LineFormat, Rule, is_missing, with_namespace
from jobs.sources.parsing import idomaar

LINKS = "subjects: array<struct<id: string>>, objects: array<struct<id: string, playstart: double, playtime: double>>"
PLAYSTART = re.compile(rb'"playstart"\s*:\s*([0-9]{1,9})\b')
MAX_SECONDS = 1e9
"""31 years: no track is played for longer."""


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. A session is one line, whatever its number of plays; one bad track rejects it."""
    user, tracks = idomaar.linked_user(), F.col("links")["objects"]

    def play(track: Column) -> Column:
        seconds = track["playtime"]
        return F.struct(
            with_namespace(source, track["id"]).alias("track_id"),
            _played_at(track).alias("played_at"),
            F.when(seconds.between(0, MAX_SECONDS), (seconds * 1000).cast("long")).alias("ms_played"),
        )

    return LineFormat(
        parsed={"head": idomaar.head_fields(), "links": idomaar.parse_object(idomaar.links_json(), LINKS)},
        rules=(*idomaar.head_rules("event.session", "links"), *_session_rules(user, tracks)),
        columns={
            "user_id": with_namespace(source, user),
            "event": F.lit("play"),
            "session_id": with_namespace(source, F.get(F.col("head"), 1)),
            "plays": F.transform(tracks, play),
        },
        explode=explode_plays,
    )


def _session_rules(user: Column, tracks: Column) -> tuple[Rule, ...]:
    early = F.lit("2000-01-01").cast("timestamp")
    nameless = (F.size(tracks) < 1) | F.exists(tracks, lambda track: idomaar.valid_id(track["id"]).isNull())
    timeless = idomaar.parse_time(F.get(F.col("head"), 2)).isNull() | F.exists(
        tracks, lambda track: _played_at(track).isNull()
    )
    return (
        Rule("missing_user", "the user is missing", is_missing(user)),
        Rule("missing_track", "the session has no tracks, or one of them has no id", tracks.isNull() | nameless),
        Rule("bad_time", "the session's time is unknown (-1), or a track's playstart is no number", timeless),
        Rule(
            "before_2000", "a track was played before the year 2000", F.exists(tracks, lambda t: _played_at(t) < early)
        ),
    )


def _played_at(track: Column) -> Column:
    """Return the time at which the track started; null if it is unknown."""
    return timestamp_from_seconds(F.get(F.col("head"), 2).try_cast("double") + track["playstart"])


def explode_plays(sessions: DataFrame) -> DataFrame:
    """Return one row per play."""
    plays = sessions.select("file", "user_id", "event", "session_id", F.inline("plays"))
    return plays.select(
        "file", "user_id", "track_id", "event", F.lit(None).cast("double").alias("rating"), "ms_played", "played_at",
        "session_id", F.lit(True).alias("within_late_window"), F.col("played_at").cast("date").alias("dt"),
    )  # fmt: skip


def newest_date_in_file(source: Source, path: str) -> date | None:
    """Return the date of the last play: a session's last track may be on the next day."""
    newest = -1
    for second, line in idomaar.timed_lines(path):
        newest = max(newest, second + max((int(start) for start in PLAYSTART.findall(line)), default=0))
    return idomaar.date_of_seconds(newest)


FORMAT = TextEventFormat(line_format, newest_date_in_file)
