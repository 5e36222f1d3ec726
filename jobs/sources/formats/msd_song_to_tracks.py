"""The tracks of each song: `song<TAB>track<TAB>track...` (taste_profile_song_to_tracks.txt).

A song of which the MSD has no track stands alone on its line: a good line without rows.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.formats.taste_profile import SONG_SHAPE
from jobs.sources.layout import TRACK_SHAPE, Fault, Layout, TextSnapshot, named, trimmed_fields


def layout(source: Source) -> Layout:
    """Songs are the MSD's and stay as they are; tracks go behind the namespace. A tab at the end means nothing."""
    song = F.get(F.col("fields"), 0)
    tracks = F.slice("fields", F.lit(2), F.size("fields"))
    return Layout(
        parts={"fields": F.filter(trimmed_fields(), lambda field: F.length(field) > 0)},
        faults=(
            Fault("bad_song", "the song is not of the form SO and 16 capitals or digits", ~song.rlike(SONG_SHAPE)),
            Fault(
                "bad_track",
                "a track is not of the form TR and 16 capitals or digits",
                F.exists(tracks, lambda track: ~track.rlike(TRACK_SHAPE)),
            ),
        ),
        columns={"song_id": song, "tracks": F.array_distinct(F.transform(tracks, lambda track: named(source, track)))},
        expand=_one_row_per_track,
    )


def _one_row_per_track(lines: DataFrame) -> DataFrame:
    return lines.select("file", "song_id", F.explode("tracks").alias("track_id"))


FORMAT = TextSnapshot("song_to_tracks", layout)
