"""KKBox's songs (WSDM Cup 2018, songs.csv): length in ms, genres by number, artist; titles are in song_extra_info.csv.

Composer, lyricist and language have no place in the catalogue and are not read.
"""

from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, named
from jobs.sources.listening import number
from jobs.sources.reading.records import cell, header_row, not_csv, read_records

HEADER = "song_id"


def layout(source: Source) -> Layout:
    """A song of KKBox's is a track. Genre numbers, such as 465, are labels in the source's words, most of them one a song."""
    track, length, nothing = cell(0), number(cell(1)), F.lit(None)
    numbers = F.filter(F.transform(F.split(cell(2), "[|]"), lambda part: F.trim(part)), lambda part: part != "")  # noqa: PLW0108
    return Layout(
        parts={"columns": F.size("cells")},
        blank=header_row(HEADER),
        faults=(
            *not_csv(7),
            Fault("missing_track", "the song is empty", track.isNull()),
            Fault("bad_length", "the length is not a number of milliseconds", cell(1).isNotNull() & length.isNull()),
        ),
        columns={
            "track_id": named(source, track),
            "song_id": nothing.cast("string"),
            "title": nothing.cast("string"),
            "artist_id": nothing.cast("string"),
            "artist": cell(3),
            "release": nothing.cast("string"),
            "year": nothing.cast("int"),
            "duration_s": F.when(length > 0, length / 1000),
            "labels": F.array_distinct(numbers),
        },
        expand=lambda rows: rows.drop("labels"),
        also={"genre_labels": one_row_per_label},
    )


def one_row_per_label(rows: DataFrame) -> DataFrame:
    """Table `genre_labels` (and `file`) of tracks with an array `labels`, first named first."""
    labels = rows.select("file", "track_id", F.posexplode("labels").alias("position", "label"))
    return labels.select("file", "track_id", "label", (F.col("position") + 1).alias("place"))


FORMAT = TextSnapshot("source_tracks", layout, also=frozenset({"genre_labels"}), read=partial(read_records, header=HEADER))
