"""Last.fm-1K's listening (Celma, 2010): `user time artist-mbid artist track-mbid title`, by tab, times in UTC.

The track's id is its MusicBrainz id; where that is empty the id is made from artist and title, see `id_of_names`. So a
song that was played with and without an id is two tracks: whether they are the same is not for this format to say.
"""

from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, id_of_names, or_null, trimmed_fields
from jobs.sources.listening import TextEvents, Told, event_layout, instant
from jobs.sources.reading import raw
from jobs.sources.reading.tables import iso_day


def base() -> Layout:
    """Fields, header and the rule on fields, which the format for the catalogue in these lines shares."""
    reason = "not six fields: user, time, artist id, artist, track id and title, by tab"
    return Layout(
        parts={"fields": trimmed_fields()},
        faults=(Fault("fields", reason, F.size("fields") != 6),),
        columns={},
        blank=F.lower(F.get(F.col("fields"), 1)) == "timestamp",
    )


def track_id() -> Column:
    """The MusicBrainz id, or one made from artist and title; null where there is neither."""
    artist, mbid, title = (F.get(F.col("fields"), n) for n in range(3, 6))
    return F.coalesce(or_null(mbid), id_of_names(or_null(artist), or_null(title)))


def layout(source: Source) -> Layout:
    """Every line is a play; how long it was heard is not told."""
    user, time = F.get(F.col("fields"), 0), F.get(F.col("fields"), 1)
    return event_layout(source, Told(user, track_id(), F.lit("play"), instant(time)), base())


def newest_day(source: Source, path: str) -> date | None:
    """The newest readable date of the second fields."""
    lines = (line.split(b"\t", 2) for line in raw.lines(path, cut=True))
    days = (iso_day(fields[1].decode("ascii", "replace")) for fields in lines if len(fields) == 3)
    return max((day for day in days if day), default=None)


FORMAT = TextEvents(layout, newest_day)
