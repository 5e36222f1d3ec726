"""Terms of artists as CSV, exported from the MSD's artist_term.db: `artist_id,"term"`."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, is_missing

HEADER = "artist_id"


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. The term may be quoted, with doubled quotes inside; a line that starts with
    `artist_id` is a header.
    """
    artist, rest = F.col("artist"), F.col("rest")
    quoted = (F.length(rest) >= 2) & rest.startswith('"') & rest.endswith('"')
    inner = F.expr("substring(rest, 2, length(rest) - 2)")
    term = F.when(quoted, F.replace(inner, F.lit('""'), F.lit('"'))).otherwise(rest)
    stray = F.when(quoted, F.replace(inner, F.lit('""'), F.lit("")).contains('"')).otherwise(rest.rlike('[,"]'))
    return LineFormat(
        parsed={
            "artist": F.trim(F.substring_index("text", ",", 1), F.lit('"')),
            "rest": F.expr("substring(text, length(substring_index(text, ',', 1)) + 2)"),
        },
        is_blank=F.lower(artist) == HEADER,
        rules=(
            Rule("fields", "not two comma-separated fields: artist and term", ~F.col("text").contains(",") | stray),
            Rule("missing_artist", "the artist is empty", is_missing(artist)),
            Rule("missing_term", "the term is empty", is_missing(term)),
        ),
        columns={"artist_id": artist, "term": F.lower(F.trim(term))},
    )


FORMAT = TextSnapshotFormat("artist_terms", line_format)
