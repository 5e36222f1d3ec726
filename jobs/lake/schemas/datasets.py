"""Tables that only published data sets fill: kinds of listening data that a service's own logs do not have."""

from pyspark.sql.types import IntegerType, LongType, StringType, StructType

from jobs.lake.schemas.columns import Table, column
from jobs.lake.schemas.sources import PLAY_COUNTS, TRACK, USER

HIDDEN_PLAY_COUNTS = Table(
    "hidden_play_counts",
    "user and song of an evaluation's held-out half; no model may learn from it (partition: the snapshot's as_of)",
    "snapshots",
    PLAY_COUNTS.schema,
    PLAY_COUNTS.key,
)
ARTIST_PLAY_COUNTS = Table(
    "artist_play_counts",
    "user and artist with a play count, without songs or times (partition: the snapshot's as_of)",
    "snapshots",
    StructType(
        [
            USER,
            column("artist_id", StringType(), "MusicBrainz artist; name-... (hash of the name) where the source has none"),
            column("artist", StringType(), "artist name as the source spells it", nullable=True),
            column("plays", LongType(), "number of plays of the artist's songs up to the as_of date"),
        ]
    ),
    ("user_id", "artist_id", "artist"),
)
LABELLED_PAIRS = Table(
    "labelled_pairs",
    "user and track whose first play was watched: did the user come back to it (KKBox, WSDM 2018)",
    "snapshots",
    StructType(
        [
            USER,
            TRACK,
            column("system_tab", StringType(), "tab of the app in which the play began", nullable=True),
            column("screen", StringType(), "name of the screen that the user saw", nullable=True),
            column("entry", StringType(), "what the play was started from, e.g. online-playlist", nullable=True),
            column("target", IntegerType(), "1: played again within a month of the first play; 0: not"),
            column("row_order", LongType(), "1-based place in the file, which is in order of time"),
        ]
    ),
    ("user_id", "track_id", "row_order"),
)
PLAYLISTS = Table(
    "playlists",
    "place in a playlist that a user made",
    "snapshots",
    StructType(
        [
            USER,
            column("playlist_id", StringType(), "playlist, prefixed with its source's namespace where one is configured"),
            column("position", IntegerType(), "1-based place in the playlist"),
            TRACK,
        ]
    ),
    ("playlist_id", "position"),
)
GENRES = Table(
    "genres",
    "genre of a source's own tree of genres",
    "snapshots",
    StructType(
        [
            column("genre_id", StringType(), "genre, prefixed with its source's namespace where one is configured"),
            column("parent_id", StringType(), "genre above it; null: it is a root", nullable=True),
            column("title", StringType(), "name of the genre"),
            column("top_id", StringType(), "root above it, or itself"),
        ]
    ),
    ("genre_id",),
)
TABLES = (HIDDEN_PLAY_COUNTS, ARTIST_PLAY_COUNTS, LABELLED_PAIRS, PLAYLISTS, GENRES)
