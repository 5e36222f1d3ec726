"""Tables that only published data sets fill: kinds of listening data that a service's own logs do not have."""

from dataclasses import replace

from jobs.lake.schemas.columns import INT, LONG, TEXT, TRACK, USER, column, optional, snapshot
from jobs.lake.schemas.sources import PLAY_COUNTS

HIDDEN_PLAY_COUNTS = replace(
    PLAY_COUNTS,
    name="hidden_play_counts",
    row="user and song of an evaluation's held-out half; no model may learn from it (partition: the snapshot's as_of)",
)
ARTIST_PLAY_COUNTS = snapshot(
    "artist_play_counts",
    "user and artist with a play count, without songs or times (partition: the snapshot's as_of)",
    ("user_id", "artist_id", "artist"),
    USER,
    column("artist_id", TEXT, "MusicBrainz artist; name-... (hash of the name) where the source has none"),
    optional("artist", TEXT, "artist name as the source spells it"),
    column("plays", LONG, "number of plays of the artist's songs up to the as_of date"),
)
LABELLED_PAIRS = snapshot(
    "labelled_pairs",
    "user and track whose first play was watched: did the user come back to it (KKBox, WSDM 2018)",
    ("user_id", "track_id", "row_order"),
    USER,
    TRACK,
    optional("system_tab", TEXT, "tab of the app in which the play began"),
    optional("screen", TEXT, "name of the screen that the user saw"),
    optional("entry", TEXT, "what the play was started from, e.g. online-playlist"),
    column("target", INT, "1: played again within a month of the first play; 0: not"),
    column("row_order", LONG, "1-based position in the file, which is in order of time"),
)
PLAYLISTS = snapshot(
    "playlists",
    "position in a playlist that a user made",
    ("playlist_id", "position"),
    USER,
    column("playlist_id", TEXT, "playlist, prefixed with its source's namespace where one is configured"),
    column("position", INT, "1-based position in the playlist"),
    TRACK,
)
GENRES = snapshot(
    "genres",
    "genre of a source's own tree of genres",
    ("genre_id",),
    column("genre_id", TEXT, "genre, prefixed with its source's namespace where one is configured"),
    optional("parent_id", TEXT, "genre above it; null: it is a root"),
    column("title", TEXT, "name of the genre"),
    column("top_id", TEXT, "root above it, or itself"),
)
TABLES = (HIDDEN_PLAY_COUNTS, ARTIST_PLAY_COUNTS, LABELLED_PAIRS, PLAYLISTS, GENRES)
