"""Last.fm-1K's plays (Celma, 2010): `user time artist-mbid artist track-mbid title`, separated by tabs, times in UTC.

The track id is its MusicBrainz id, or else derived from artist and title, see `id_from_names`. A song that was played
with and without an MBID is two tracks: this format does not decide whether they are the same.
"""

from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.event_format import EventColumns, TextEventFormat, event_line_format, parse_iso_time
from jobs.sources.line_format import LineFormat, Rule, empty_to_null, id_from_names, tab_fields
from jobs.sources.reading import raw_bytes
from jobs.sources.reading.tables import iso_date


def play_line_format() -> LineFormat:
    """Return fields, header and first rule, which the format for the catalogue in these lines shares."""
    reason = "not six tab-separated fields: user, time, artist id, artist, track id and title"
    return LineFormat(
        parsed={"fields": tab_fields()},
        rules=(Rule("fields", reason, F.size("fields") != 6),),
        columns={},
        is_blank=F.lower(F.get(F.col("fields"), 1)) == "timestamp",
    )


def track_id() -> Column:
    """Return the MusicBrainz id, or one derived from artist and title; null if both are missing."""
    artist, mbid, title = (F.get(F.col("fields"), n) for n in range(3, 6))
    return F.coalesce(empty_to_null(mbid), id_from_names(empty_to_null(artist), empty_to_null(title)))


def line_format(source: Source) -> LineFormat:
    """Return how a line is read: every line is a play of unknown duration."""
    user, time = F.get(F.col("fields"), 0), F.get(F.col("fields"), 1)
    return event_line_format(
        source, EventColumns(user, track_id(), F.lit("play"), parse_iso_time(time)), play_line_format()
    )


def newest_date_in_file(source: Source, path: str) -> date | None:
    """Return the newest readable date of the second fields."""
    lines = (line.split(b"\t", 2) for line in raw_bytes.iter_lines(path, truncated=True))
    days = (iso_date(fields[1].decode("ascii", "replace")) for fields in lines if len(fields) == 3)
    return max((day for day in days if day), default=None)


FORMAT = TextEventFormat(line_format, newest_date_in_file)
