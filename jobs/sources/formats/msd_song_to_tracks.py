"""The tracks of each song: `song<TAB>track<TAB>track...` (taste_profile_song_to_tracks.txt).

A song without a track in the MSD is alone on its line: a good line without rows.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.formats.taste_profile import SONG_ID_PATTERN
from jobs.sources.line_format import TRACK_ID_PATTERN, LineFormat, Rule, TextSnapshotFormat, tab_fields, with_namespace


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. Songs are the MSD's and stay as they are; tracks get the namespace. A trailing tab is
    ignored.
    """
    song = F.get(F.col("fields"), 0)
    tracks = F.slice("fields", F.lit(2), F.size("fields"))
    return LineFormat(
        parsed={"fields": F.filter(tab_fields(), lambda field: F.length(field) > 0)},
        rules=(
            Rule("bad_song", "the song is not of the form SO and 16 capitals or digits", ~song.rlike(SONG_ID_PATTERN)),
            Rule(
                "bad_track",
                "a track is not of the form TR and 16 capitals or digits",
                F.exists(tracks, lambda track: ~track.rlike(TRACK_ID_PATTERN)),
            ),
        ),
        columns={
            "song_id": song,
            "tracks": F.array_distinct(F.transform(tracks, lambda track: with_namespace(source, track))),
        },
        explode=explode_tracks,
    )


def explode_tracks(lines: DataFrame) -> DataFrame:
    """Return one row per track."""
    return lines.select("file", "song_id", F.explode("tracks").alias("track_id"))


FORMAT = TextSnapshotFormat("song_to_tracks", line_format)
