"""KKBox's titles (WSDM Cup 2018, song_extra_info.csv): `song_id,name,isrc`. Names may contain quotes and newlines.

The sixth and seventh characters of an ISRC are the last two digits of the year in which the recording got its code. For
most recordings that is the year of release, for reissues that of the reissue. 00 to 17 (when the data was collected)
are 2000 to 2017, and 40 to 99 are 1940 to 1999. The few from 18 to 39 are neither.
"""

from functools import partial

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, table_columns, with_namespace
from jobs.sources.reading.csv_records import cell, csv_line_format, read_records

HEADER = "song_id"
ISRC = "^[A-Z]{2}[A-Z0-9]{3}[0-9]{7}$"
LAST, FIRST = 17, 40


def line_format(source: Source) -> LineFormat:
    """Return how a record is read. A song of KKBox is a track. An ISRC of another form has no year, but is valid."""
    track = cell(0)
    return csv_line_format(
        HEADER,
        3,
        Rule("missing_track", "the song is empty", track.isNull()),
        columns=table_columns(
            "source_tracks", track_id=with_namespace(source, track), title=cell(1), year=isrc_year(F.upper(cell(2)))
        ),
    )


def isrc_year(code: Column) -> Column:
    """Return the year (int) of an ISRC; null if it has none."""
    digits = F.when(code.rlike(ISRC), F.substring(code, 6, 2).cast("int"))
    return F.when(digits <= LAST, digits + 2000).when(digits >= FIRST, digits + 1900)


FORMAT = TextSnapshotFormat("source_tracks", line_format, read=partial(read_records, header=HEADER))
