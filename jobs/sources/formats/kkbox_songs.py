"""KKBox's songs (WSDM Cup 2018, songs.csv): length in ms, genres by number, artist. Titles are in song_extra_info.csv.

Composer, lyricist and language are not part of the catalogue and are ignored.
"""

from functools import partial

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.event_format import parse_number
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, explode_labels, table_columns, with_namespace
from jobs.sources.reading.csv_records import cell, csv_line_format, read_records

HEADER = "song_id"


def line_format(source: Source) -> LineFormat:
    """Return how a record is read. A song of KKBox is a track. Genre numbers, such as 465, are labels; most songs have
    one.
    """
    track, length = cell(0), parse_number(cell(1))
    numbers = F.filter(F.transform(F.split(cell(2), "[|]"), lambda part: F.trim(part)), lambda part: part != "")  # noqa: PLW0108
    return csv_line_format(
        HEADER,
        7,
        Rule("missing_track", "the song is empty", track.isNull()),
        Rule("bad_length", "the length is not a number of milliseconds", cell(1).isNotNull() & length.isNull()),
        columns=table_columns(
            "source_tracks",
            track_id=with_namespace(source, track),
            artist=cell(3),
            duration_s=F.when(length > 0, length / 1000),
            labels=F.array_distinct(numbers),
        ),
        explode=lambda rows: rows.drop("labels"),
        extra_tables={"genre_labels": explode_labels},
    )


FORMAT = TextSnapshotFormat(
    "source_tracks", line_format, extra_tables=frozenset({"genre_labels"}), read=partial(read_records, header=HEADER)
)
