"""Tables that only published data sets fill: data that a service's own logs do not contain."""

from dataclasses import replace

from jobs.lake.schemas.columns import INT, LONG, STRING, TRACK, USER, field, nullable_field, snapshot
from jobs.lake.schemas.sources import PLAY_COUNTS

HIDDEN_PLAY_COUNTS = replace(
    PLAY_COUNTS,
    name="hidden_play_counts",
    row="user and song of an evaluation's held-out half; no model may train on it (partition: the snapshot's as_of)",
)
ARTIST_PLAY_COUNTS = snapshot(
    "artist_play_counts",
    "user and artist with a play count, without songs or times (partition: the snapshot's as_of)",
    ("user_id", "artist_id", "artist"),
    USER,
    field("artist_id", STRING, "MusicBrainz artist; name-... (hash of the name) if the source has no id"),
    nullable_field("artist", STRING, "artist name, in the source's spelling"),
    field("plays", LONG, "number of plays of the artist's songs up to the as_of date"),
)
LABELLED_PAIRS = snapshot(
    "labelled_pairs",
    "user and track, labelled by whether the user played the track again (KKBox, WSDM 2018)",
    ("user_id", "track_id", "row_order"),
    USER,
    TRACK,
    nullable_field("system_tab", STRING, "tab of the app in which the play started"),
    nullable_field("screen", STRING, "name of the screen in the app"),
    nullable_field("entry", STRING, "entry point of the play, e.g. online-playlist"),
    field("target", INT, "1: played again within a month of the first play; 0: not"),
    field("row_order", LONG, "1-based position in the file, which is in chronological order"),
)
PLAYLISTS = snapshot(
    "playlists",
    "track of a user's playlist",
    ("playlist_id", "position"),
    USER,
    field("playlist_id", STRING, "playlist; prefixed with the source's namespace if one is configured"),
    field("position", INT, "1-based position in the playlist"),
    TRACK,
)
GENRES = snapshot(
    "genres",
    "genre of a source's genre tree",
    ("genre_id",),
    field("genre_id", STRING, "genre; prefixed with the source's namespace if one is configured"),
    nullable_field("parent_id", STRING, "parent genre; null for a root"),
    field("title", STRING, "name of the genre"),
    field("top_id", STRING, "root of its branch; a root's own id"),
)
TABLES = (HIDDEN_PLAY_COUNTS, ARTIST_PLAY_COUNTS, LABELLED_PAIRS, PLAYLISTS, GENRES)
