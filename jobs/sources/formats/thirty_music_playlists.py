"""30Music's playlists (entities/playlist.idomaar): a user's tracks in order.

The properties are not read: their titles hold bare quotes and backslashes, so that many are no JSON.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, missing, named
from jobs.sources.parsing.idomaar import head, head_faults, identifier, links, one_object

LINKS = "subjects: array<struct<id: string>>, objects: array<struct<id: string>>"


def layout(source: Source) -> Layout:
    """A playlist without tracks is a good line that gives no row."""
    playlist, user = identifier(F.get(F.col("head"), 1)), identifier(F.get(F.col("links")["subjects"], 0)["id"])
    tracks = F.coalesce(F.col("links")["objects"], F.array())
    return Layout(
        parts={"head": head(), "links": one_object(links(), LINKS)},
        faults=(
            *head_faults("playlist"),
            Fault("not_json", "the links are missing or not a JSON object", F.col("links").isNull()),
            Fault("missing_playlist", "the id is not of letters, digits and . _ : -", playlist.isNull()),
            Fault("missing_user", "the user is missing", missing(user)),
            Fault("missing_track", "a track has no id", F.exists(tracks, lambda track: identifier(track["id"]).isNull())),
        ),
        columns={
            "user_id": named(source, user),
            "playlist_id": named(source, playlist),
            "tracks": F.transform(tracks, lambda track: named(source, track["id"])),
        },
        expand=_one_row_per_place,
    )


def _one_row_per_place(playlists: DataFrame) -> DataFrame:
    rows = playlists.select("file", "user_id", "playlist_id", F.posexplode("tracks").alias("place", "track_id"))
    return rows.select("file", "user_id", "playlist_id", (F.col("place") + 1).alias("position"), "track_id")


FORMAT = TextSnapshot("playlists", layout)
