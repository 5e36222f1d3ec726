"""The MSD's list of artists: `artist<SEP>MusicBrainz id<SEP>track<SEP>name` (unique_artists.txt)."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, is_missing, table_columns


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. The track is only an example and is ignored."""
    artist, name = F.get(F.col("fields"), 0), F.get(F.col("fields"), 3)
    return LineFormat(
        parsed={"fields": F.split("text", "<SEP>", -1)},
        rules=(
            Rule(
                "fields",
                "not four fields separated by <SEP>: artist, MusicBrainz id, track and name",
                F.size("fields") != 4,
            ),
            Rule("missing_artist", "the artist is empty", is_missing(artist)),
            Rule("missing_name", "the artist's name is empty", is_missing(name)),
        ),
        columns=table_columns("source_artists", artist_id=artist, name=name),
    )


FORMAT = TextSnapshotFormat("source_artists", line_format)
