"""Terms of artists as CSV, exported from the MSD's artist_term.db: `artist_id,"term"`."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, missing

HEADER = "artist_id"


def layout(source: Source) -> Layout:
    """The term may be quoted (a doubled quote is one); a line that starts with `artist_id` is a header."""
    artist, rest = F.col("artist"), F.col("rest")
    quoted = (F.length(rest) >= 2) & rest.startswith('"') & rest.endswith('"')
    inner = F.expr("substring(rest, 2, length(rest) - 2)")
    term = F.when(quoted, F.replace(inner, F.lit('""'), F.lit('"'))).otherwise(rest)
    stray = F.when(quoted, F.replace(inner, F.lit('""'), F.lit("")).contains('"')).otherwise(rest.rlike('[,"]'))
    return Layout(
        parts={
            "artist": F.trim(F.substring_index("text", ",", 1), F.lit('"')),
            "rest": F.expr("substring(text, length(substring_index(text, ',', 1)) + 2)"),
        },
        blank=F.lower(artist) == HEADER,
        faults=(
            Fault("fields", "not two fields: artist and term, by a comma", ~F.col("text").contains(",") | stray),
            Fault("missing_artist", "the artist is empty", missing(artist)),
            Fault("missing_term", "the term is empty", missing(term)),
        ),
        columns={"artist_id": artist, "term": F.lower(F.trim(term))},
    )


FORMAT = TextSnapshot("artist_terms", layout)
