"""Similar artists as CSV, exported from the MSD's artist_similarity.db: `artist,similar artist`."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, is_missing

HEADER = "target"


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. Ids may be quoted; a line that starts with `target` is a header."""
    fields = F.transform(F.split("text", ",", -1), lambda field: F.trim(field, F.lit('" ')))
    artist, similar = F.get(F.col("fields"), 0), F.get(F.col("fields"), 1)
    return LineFormat(
        parsed={"fields": fields},
        is_blank=F.lower(artist) == HEADER,
        rules=(
            Rule("fields", "not two comma-separated fields: artist and similar artist", F.size("fields") != 2),
            Rule("missing_artist", "an artist is empty", is_missing(artist) | is_missing(similar)),
        ),
        columns={"artist_id": artist, "similar_id": similar},
    )


FORMAT = TextSnapshotFormat("artist_similarity", line_format)
