"""Wishes to be forgotten, one a line: `user`, or `user<TAB>track` for that track only; `#` comments."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, missing, named, or_null


def layout(source: Source) -> Layout:
    """Users are kept as the SHA-256 of their id with its namespace, so that the wish does not keep the name."""
    user, track = F.get(F.col("fields"), 0), F.get(F.col("fields"), 1)
    return Layout(
        parts={"fields": F.split("text", "\t", -1)},
        blank=F.col("text").startswith("#"),
        faults=(
            Fault("fields", "more than two fields: user and track, by tab", F.size("fields") > 2),
            Fault("missing_user", "the user is empty", missing(user)),
        ),
        columns={"user_hash": F.sha2(named(source, user), 256), "track_id": named(source, or_null(track))},
    )


FORMAT = TextSnapshot("deletions", layout)
