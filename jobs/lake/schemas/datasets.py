"""Tables that only published data sets fill: data that a service's own logs do not contain."""

from dataclasses import replace

from jobs.lake.schemas.columns import INT, LONG, TEXT, TRACK, USER, column, optional, snapshot
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
    column("artist_id", TEXT, "MusicBrainz artist; name-... (hash of the name) if the source has no id"),
    optional("artist", TEXT, "artist name, in the source's spelling"),
    column("plays", LONG, "number of plays of the artist's songs up to the as_of date"),
)
LABELLED_PAIRS = snapshot(
    "labelled_pairs",
    "user and track, labelled by whether the user played the track again (KKBox, WSDM 2018)",
    ("user_id", "track_id", "row_order"),
    USER,
    TRACK,
    optional("system_tab", TEXT, "tab of the app in which the play started"),
    optional("screen", TEXT, "name of the screen in the app"),
    optional("entry", TEXT, "entry point of the play, e.g. online-playlist"),
    column("target", INT, "1: played again within a month of the first play; 0: not"),
    column("row_order", LONG, "1-based position in the file, which is in chronological order"),
)
PLAYLISTS = snapshot(
    "playlists",
    "track of a user's playlist",
    ("playlist_id", "position"),
    USER,
    column("playlist_id", TEXT, "playlist; prefixed with the source's namespace if one is configured"),
    column("position", INT, "1-based position in the playlist"),
    TRACK,
)
GENRES = snapshot(
    "genres",
    "genre of a source's genre tree",
    ("genre_id",),
    column("genre_id", TEXT, "genre; prefixed with the source's namespace if one is configured"),
    optional("parent_id", TEXT, "parent genre; null for a root"),
    column("title", TEXT, "name of the genre"),
    column("top_id", TEXT, "root of its branch; a root's own id"),
)
TABLES = (HIDDEN_PLAY_COUNTS, ARTIST_PLAY_COUNTS, LABELLED_PAIRS, PLAYLISTS, GENRES)
