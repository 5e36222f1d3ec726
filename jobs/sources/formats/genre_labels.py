"""Genre labels of tracks: `track<TAB>genre[<TAB>second genre]`, `#` comments (the tagtraum .cls files, Schreiber 2015)."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import TRACK_SHAPE, Fault, Layout, TextSnapshot, missing, named, rows_of_labels, trimmed_fields


def layout(source: Source) -> Layout:
    """A line gives one row per different label; `place` says which was named first."""
    track, first, second = (F.get(F.col("fields"), n) for n in range(3))
    count = F.size("fields")
    return Layout(
        parts={"fields": trimmed_fields()},
        blank=F.col("text").startswith("#"),
        faults=(
            Fault("fields", "not two or three fields: track, genre and second genre, by tab", ~count.between(2, 3)),
            Fault("missing_track", "the track is empty", missing(track)),
            # another catalogue's ids, which a namespace announces, have forms of their own
            Fault(
                "bad_track",
                "the track is not of the form TR and 16 capitals or digits, and no namespace says that it is another's",
                ~track.rlike(TRACK_SHAPE) if not source.namespace else F.lit(False),
            ),
            Fault("missing_label", "a genre is empty", missing(first) | ((count == 3) & missing(second))),
        ),
        columns={"track_id": named(source, track), "labels": F.array_distinct(F.slice("fields", 2, 2))},
        expand=rows_of_labels,
    )


FORMAT = TextSnapshot("genre_labels", layout)
