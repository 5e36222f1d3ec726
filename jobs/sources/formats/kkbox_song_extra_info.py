"""KKBox's titles (WSDM Cup 2018, song_extra_info.csv): `song_id,name,isrc`. Names may hold quotes and newlines.

The ISRC's sixth and seventh characters are the last two digits of the year in which the recording got its code: for most
the year of release, for reissues that of the reissue. 00 to 17 (when the data was collected) are 2000 to 2017, 40 to 99
are 1940 to 1999; the few from 18 to 39 are no years of either.
"""

from functools import partial

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, filled, named
from jobs.sources.reading.records import cell, read_records, record_layout

HEADER = "song_id"
ISRC = "^[A-Z]{2}[A-Z0-9]{3}[0-9]{7}$"
LAST, FIRST = 17, 40


def layout(source: Source) -> Layout:
    """A song of KKBox's is a track; an ISRC of another form tells no year, but is no fault."""
    track = cell(0)
    return record_layout(
        HEADER,
        3,
        Fault("missing_track", "the song is empty", track.isNull()),
        columns=filled(
            "source_tracks", track_id=named(source, track), title=cell(1), year=isrc_year(F.upper(cell(2)))
        ),
    )


def isrc_year(code: Column) -> Column:
    """The year (int) that an ISRC tells; null where it tells none."""
    digits = F.when(code.rlike(ISRC), F.substring(code, 6, 2).cast("int"))
    return F.when(digits <= LAST, digits + 2000).when(digits >= FIRST, digits + 1900)


FORMAT = TextSnapshot("source_tracks", layout, read=partial(read_records, header=HEADER))
