"""Wishes to be forgotten, one a line: `user`, or `user<TAB>track` for that track only; `#` comments, spaces around do not count."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, missing, named, trimmed_fields


def layout(source: Source) -> Layout:
    """Users are kept as the SHA-256 of their id with its namespace, so that the wish does not keep the name."""
    user, track = F.get(F.col("fields"), 0), F.get(F.col("fields"), 1)
    return Layout(
        parts={"fields": trimmed_fields()},
        blank=F.col("text").startswith("#"),
        faults=(
            Fault("fields", "more than two fields: user and track, by tab", F.size("fields") > 2),
            Fault("missing_user", "the user is empty", missing(user)),
            # a wish for one track whose id was lost must not become the wish for all of them, which has none
            Fault("missing_track", "a tab, and no track after it", (F.size("fields") == 2) & missing(track)),
        ),
        columns={"user_hash": F.sha2(named(source, user), 256), "track_id": named(source, track)},
    )


FORMAT = TextSnapshot("deletions", layout)
