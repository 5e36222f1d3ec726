"""Last.fm-360K's counts (Celma, 2010): `user artist-mbid artist plays`, separated by tabs; per artist, not per song,
without times.

Users are SHA-1 hashes; lines with another first field (the published file has dates there) are rejected.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import (
    LineFormat,
    Rule,
    TextSnapshotFormat,
    empty_to_null,
    id_from_names,
    is_missing,
    positive_count_rule,
    tab_fields,
    with_namespace,
)


def user_rule(user: Column) -> Rule:
    """Return the rule for user ids."""
    return Rule("bad_user", "the user is not a SHA-1 of 40 hexadecimal digits", ~user.rlike("^[0-9a-f]{40}$"))


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. An artist without an MBID has an id derived from the name. A first field `user...`
    without a count marks a header.
    """
    user, mbid, artist, count = (F.get(F.col("fields"), n) for n in range(4))
    plays = count.try_cast("long")
    artist_id = F.coalesce(empty_to_null(mbid), id_from_names(empty_to_null(artist)))
    return LineFormat(
        parsed={"fields": tab_fields()},
        is_blank=F.lower(user).startswith("user") & plays.isNull(),
        rules=(
            Rule("fields", "not four tab-separated fields: user, artist id, artist and count", F.size("fields") != 4),
            Rule("missing_user", "the user is empty", is_missing(user)),
            user_rule(user),
            Rule("missing_artist", "id and name of the artist are empty", artist_id.isNull()),
            positive_count_rule(plays),
        ),
        columns={
            "user_id": with_namespace(source, user),
            "artist_id": with_namespace(source, artist_id),
            "artist": empty_to_null(artist),
            "plays": plays,
        },
    )


FORMAT = TextSnapshotFormat("artist_play_counts", line_format)
