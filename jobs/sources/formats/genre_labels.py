"""Genre labels of tracks: `track<TAB>genre[<TAB>second genre]`, `#` comments (tagtraum .cls files, Schreiber)."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import (
    TRACK_ID_PATTERN,
    LineFormat,
    Rule,
    TextSnapshotFormat,
    explode_labels,
    is_missing,
    tab_fields,
    with_namespace,
)


def line_format(source: Source) -> LineFormat:
    """Return one row per distinct label of a line; `label_rank` numbers them in the order of the line."""
    track, first, second = (F.get(F.col("fields"), n) for n in range(3))
    count = F.size("fields")
    return LineFormat(
        parsed={"fields": tab_fields()},
        is_blank=F.col("text").startswith("#"),
        rules=(
            Rule(
                "fields", "not two or three tab-separated fields: track, genre and second genre", ~count.between(2, 3)
            ),
            Rule("missing_track", "the track is empty", is_missing(track)),
            # ids of another catalogue, which has a namespace, have another form
            Rule(
                "bad_track",
                "the track is not of the form TR and 16 capitals or digits, and the source has no namespace",
                ~track.rlike(TRACK_ID_PATTERN) if not source.namespace else F.lit(False),
            ),
            Rule("missing_label", "a genre is empty", is_missing(first) | ((count == 3) & is_missing(second))),
        ),
        columns={"track_id": with_namespace(source, track), "labels": F.array_distinct(F.slice("fields", 2, 2))},
        explode=explode_labels,
    )


FORMAT = TextSnapshotFormat("genre_labels", line_format)
