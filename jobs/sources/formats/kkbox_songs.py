"""KKBox's songs (WSDM Cup 2018, songs.csv): length in ms, genres by number, artist; titles are in song_extra_info.csv.

Composer, lyricist and language have no place in the catalogue and are not read.
"""

from functools import partial

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, filled, named, rows_of_labels
from jobs.sources.listening import number
from jobs.sources.reading.records import cell, read_records, record_layout

HEADER = "song_id"


def layout(source: Source) -> Layout:
    """A song of KKBox's is a track. Genre numbers, such as 465, are labels in the source's words, most of them one a song."""
    track, length = cell(0), number(cell(1))
    numbers = F.filter(F.transform(F.split(cell(2), "[|]"), lambda part: F.trim(part)), lambda part: part != "")  # noqa: PLW0108
    return record_layout(
        HEADER,
        7,
        Fault("missing_track", "the song is empty", track.isNull()),
        Fault("bad_length", "the length is not a number of milliseconds", cell(1).isNotNull() & length.isNull()),
        columns=filled(
            "source_tracks",
            track_id=named(source, track),
            artist=cell(3),
            duration_s=F.when(length > 0, length / 1000),
            labels=F.array_distinct(numbers),
        ),
        expand=lambda rows: rows.drop("labels"),
        also={"genre_labels": rows_of_labels},
    )


FORMAT = TextSnapshot("source_tracks", layout, also=frozenset({"genre_labels"}), read=partial(read_records, header=HEADER))
