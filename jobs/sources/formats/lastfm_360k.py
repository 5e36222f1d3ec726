"""Last.fm-360K's counts (Celma, 2010): `user artist-mbid artist plays`, by tab; per artist, not per song, without times.

Users are SHA-1 sums; lines whose first field is something else (dates stand there in the published file) are refused.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import (
    Fault,
    Layout,
    TextSnapshot,
    fault_of_count,
    id_of_names,
    missing,
    named,
    or_null,
    trimmed_fields,
)


def fault_of_user(user: Column) -> Fault:
    """The rule on the ids of users."""
    return Fault("bad_user", "the user is not a SHA-1 of 40 hexadecimal digits", ~user.rlike("^[0-9a-f]{40}$"))


def layout(source: Source) -> Layout:
    """An artist without a MusicBrainz id has one made from the name. A first field `user...` without a count is a header."""
    user, mbid, artist, count = (F.get(F.col("fields"), n) for n in range(4))
    plays = count.try_cast("long")
    artist_id = F.coalesce(or_null(mbid), id_of_names(or_null(artist)))
    return Layout(
        parts={"fields": trimmed_fields()},
        blank=F.lower(user).startswith("user") & plays.isNull(),
        faults=(
            Fault("fields", "not four fields: user, artist id, artist and count, by tab", F.size("fields") != 4),
            Fault("missing_user", "the user is empty", missing(user)),
            fault_of_user(user),
            Fault("missing_artist", "id and name of the artist are empty", artist_id.isNull()),
            fault_of_count(plays),
        ),
        columns={
            "user_id": named(source, user),
            "artist_id": named(source, artist_id),
            "artist": or_null(artist),
            "plays": plays,
        },
    )


FORMAT = TextSnapshot("artist_play_counts", layout)
