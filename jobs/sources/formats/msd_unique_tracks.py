"""The MSD's list of tracks: `track<SEP>song<SEP>artist<SEP>title` (unique_tracks.txt, and lists in its manner)."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import TRACK_SHAPE, Fault, Layout, TextSnapshot, filled, missing, named, or_null


def layout(source: Source) -> Layout:
    """Names in latin-1, as some copies of the list have them, come out right line by line."""
    track, song, artist, title = (F.get(F.col("fields"), n) for n in range(4))
    return Layout(
        parts={"fields": F.split("text", "<SEP>", -1)},
        faults=(
            Fault("fields", "not four fields: track, song, artist and title, by <SEP>", F.size("fields") != 4),
            Fault("missing_track", "the track is empty", missing(track)),
            Fault("bad_track", "the track is not of the form TR and 16 capitals or digits", ~track.rlike(TRACK_SHAPE)),
            Fault("missing_song", "the song is empty", missing(song)),
        ),
        columns=filled(
            "source_tracks", track_id=named(source, track), song_id=song, title=or_null(title), artist=or_null(artist)
        ),
    )


FORMAT = TextSnapshot("source_tracks", layout)
