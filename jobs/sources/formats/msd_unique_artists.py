"""The MSD's list of artists: `artist<SEP>MusicBrainz id<SEP>track<SEP>name` (unique_artists.txt)."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, filled, missing


def layout(source: Source) -> Layout:
    """Artist and name are kept; the track is only an example of the artist's."""
    artist, name = F.get(F.col("fields"), 0), F.get(F.col("fields"), 3)
    return Layout(
        parts={"fields": F.split("text", "<SEP>", -1)},
        faults=(
            Fault("fields", "not four fields: artist, MusicBrainz id, track and name, by <SEP>", F.size("fields") != 4),
            Fault("missing_artist", "the artist is empty", missing(artist)),
            Fault("missing_name", "the artist's name is empty", missing(name)),
        ),
        columns=filled("source_artists", artist_id=artist, name=name),
    )


FORMAT = TextSnapshot("source_artists", layout)
