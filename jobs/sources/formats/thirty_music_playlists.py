"""30Music's playlists (entities/playlist.idomaar): a user's tracks in order.

The properties are not read: their titles hold bare quotes and backslashes, so that many are no JSON.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, missing, named
from jobs.sources.parsing import idomaar


def layout(source: Source) -> Layout:
    """A playlist without tracks is a good line that gives no row."""
    user = idomaar.linked_user()
    tracks = F.coalesce(F.col("links")["objects"], F.array())
    return Layout(
        parts={"head": idomaar.head(), "links": idomaar.one_object(idomaar.links(), idomaar.LINKED)},
        faults=(
            *idomaar.head_faults("playlist", "links"),
            idomaar.fault_of_id("missing_playlist"),
            Fault("missing_user", "the user is missing", missing(user)),
            Fault("missing_track", "a track has no id", F.exists(tracks, lambda track: idomaar.identifier(track["id"]).isNull())),
        ),
        columns={
            "user_id": named(source, user),
            "playlist_id": named(source, idomaar.own_id()),
            "tracks": F.transform(tracks, lambda track: named(source, track["id"])),
        },
        expand=_one_row_per_place,
    )


def _one_row_per_place(playlists: DataFrame) -> DataFrame:
    rows = playlists.select("file", "user_id", "playlist_id", F.posexplode("tracks").alias("place", "track_id"))
    return rows.select("file", "user_id", "playlist_id", (F.col("place") + 1).alias("position"), "track_id")


FORMAT = TextSnapshot("playlists", layout)
