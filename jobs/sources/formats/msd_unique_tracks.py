"""The MSD's list of tracks: `track<SEP>song<SEP>artist<SEP>title` (unique_tracks.txt, and lists of the same form)."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import (
    TRACK_ID_PATTERN,
    LineFormat,
    Rule,
    TextSnapshotFormat,
    empty_to_null,
    is_missing,
    table_columns,
    with_namespace,
)


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. Names in latin-1, as in some copies of the list, are decoded line by line."""
    track, song, artist, title = (F.get(F.col("fields"), n) for n in range(4))
    return LineFormat(
        parsed={"fields": F.split("text", "<SEP>", -1)},
        rules=(
            Rule("fields", "not four fields separated by <SEP>: track, song, artist and title", F.size("fields") != 4),
            Rule("missing_track", "the track is empty", is_missing(track)),
            Rule(
                "bad_track", "the track is not of the form TR and 16 capitals or digits", ~track.rlike(TRACK_ID_PATTERN)
            ),
            Rule("missing_song", "the song is empty", is_missing(song)),
        ),
        columns=table_columns(
            "source_tracks",
            track_id=with_namespace(source, track),
            song_id=song,
            title=empty_to_null(title),
            artist=empty_to_null(artist),
        ),
    )


FORMAT = TextSnapshotFormat("source_tracks", line_format)
