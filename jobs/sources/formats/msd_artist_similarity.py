"""Similar artists as CSV, exported from the MSD's artist_similarity.db: `artist,similar artist`."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, missing

HEADER = "target"


def layout(source: Source) -> Layout:
    """Ids may be quoted; a line that starts with `target` is a header."""
    fields = F.transform(F.split("text", ",", -1), lambda field: F.trim(field, F.lit('" ')))
    artist, similar = F.get(F.col("fields"), 0), F.get(F.col("fields"), 1)
    return Layout(
        parts={"fields": fields},
        blank=F.lower(artist) == HEADER,
        faults=(
            Fault("fields", "not two fields: artist and similar artist, by a comma", F.size("fields") != 2),
            Fault("missing_artist", "an artist is empty", missing(artist) | missing(similar)),
        ),
        columns={"artist_id": artist, "similar_id": similar},
    )


FORMAT = TextSnapshot("artist_similarity", layout)
