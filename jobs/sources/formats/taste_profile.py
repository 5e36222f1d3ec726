"""Echo Nest Taste Profile (McFee et al., 2012): `user song count`, separated by tabs or spaces, without times."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import (
    LineFormat,
    Rule,
    TextSnapshotFormat,
    is_missing,
    positive_count_rule,
    with_namespace,
)

SONG_ID_PATTERN = "^SO[A-Z0-9]{16}$"


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. Users get the namespace; songs are the MSD's and stay as they are."""
    fields = F.split(F.replace(F.col("text"), F.lit("\t"), F.lit(" ")), " ", -1)
    user, song = F.get(F.col("fields"), 0), F.get(F.col("fields"), 1)
    plays = F.get(F.col("fields"), 2).try_cast("long")
    return LineFormat(
        parsed={"fields": fields},
        rules=(
            Rule("fields", "not three fields separated by tab or space: user, song and count", F.size("fields") != 3),
            Rule("missing_user", "the user is empty", is_missing(user)),
            Rule("bad_song", "the song is not of the form SO and 16 capitals or digits", ~song.rlike(SONG_ID_PATTERN)),
            positive_count_rule(plays),
        ),
        columns={"user_id": with_namespace(source, user), "song_id": song, "plays": plays},
    )


FORMAT = TextSnapshotFormat("play_counts", line_format)
