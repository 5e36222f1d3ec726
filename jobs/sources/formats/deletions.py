"""Deletion requests, one per line: `user`, or `user<TAB>track` for that track only. `#` starts a comment; spaces around
are ignored.
"""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, is_missing, tab_fields, with_namespace


def line_format(source: Source) -> LineFormat:
    """Store users as the SHA-256 of their id with its namespace, so that the request does not reveal the name."""
    user, track = F.get(F.col("fields"), 0), F.get(F.col("fields"), 1)
    return LineFormat(
        parsed={"fields": tab_fields()},
        is_blank=F.col("text").startswith("#"),
        rules=(
            Rule("fields", "more than two tab-separated fields: user and track", F.size("fields") > 2),
            Rule("missing_user", "the user is empty", is_missing(user)),
            # a request without a track covers all tracks; one with an empty track must not be read as that
            Rule("missing_track", "a tab without a track after it", (F.size("fields") == 2) & is_missing(track)),
        ),
        columns={"user_hash": F.sha2(with_namespace(source, user), 256), "track_id": with_namespace(source, track)},
    )


FORMAT = TextSnapshotFormat("deletions", line_format)
