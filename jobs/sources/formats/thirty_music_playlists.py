"""30Music's playlists (entities/playlist.idomaar): a user's tracks in order.

The properties are ignored: their titles contain bare quotes and backslashes, so that many are not valid JSON.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, is_missing, with_namespace
from jobs.sources.parsing import idomaar


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. A playlist without tracks is a good line without rows."""
    user = idomaar.linked_user()
    tracks = F.coalesce(F.col("links")["objects"], F.array())
    return LineFormat(
        parsed={
            "head": idomaar.head_fields(),
            "links": idomaar.parse_object(idomaar.links_json(), idomaar.USER_TRACK_LINKS),
        },
        rules=(
            *idomaar.head_rules("playlist", "links"),
            idomaar.id_rule("missing_playlist"),
            Rule("missing_user", "the user is missing", is_missing(user)),
            Rule(
                "missing_track",
                "a track has no id",
                F.exists(tracks, lambda track: idomaar.valid_id(track["id"]).isNull()),
            ),
        ),
        columns={
            "user_id": with_namespace(source, user),
            "playlist_id": with_namespace(source, idomaar.own_id()),
            "tracks": F.transform(tracks, lambda track: with_namespace(source, track["id"])),
        },
        explode=explode_tracks,
    )


def explode_tracks(playlists: DataFrame) -> DataFrame:
    """Return one row per track, with its position from 1."""
    rows = playlists.select("file", "user_id", "playlist_id", F.posexplode("tracks").alias("index", "track_id"))
    return rows.select("file", "user_id", "playlist_id", (F.col("index") + 1).alias("position"), "track_id")


FORMAT = TextSnapshotFormat("playlists", line_format)
