"""Echo Nest Taste Profile: `user song count`, by tabs or single spaces, without times (McFee et al., 2012)."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, fault_of_count, missing, named

SONG_SHAPE = "^SO[A-Z0-9]{16}$"


def layout(source: Source) -> Layout:
    """Users go behind the namespace; songs are the MSD's and stay as they are."""
    fields = F.split(F.replace(F.col("text"), F.lit("\t"), F.lit(" ")), " ", -1)
    user, song = F.get(F.col("fields"), 0), F.get(F.col("fields"), 1)
    plays = F.get(F.col("fields"), 2).try_cast("long")
    return Layout(
        parts={"fields": fields},
        faults=(
            Fault("fields", "not three fields: user, song and count, by tab or space", F.size("fields") != 3),
            Fault("missing_user", "the user is empty", missing(user)),
            Fault("bad_song", "the song is not of the form SO and 16 capitals or digits", ~song.rlike(SONG_SHAPE)),
            fault_of_count(plays),
        ),
        columns={"user_id": named(source, user), "song_id": song, "plays": plays},
    )


FORMAT = TextSnapshot("play_counts", layout)
