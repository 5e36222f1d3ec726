"""Tables that ingest writes: one per kind of input, for all formats."""

from jobs.lake.schemas.columns import (
    ARTIST,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    LONG,
    SONG,
    SONG_ID,
    STRING,
    TIMESTAMP,
    TRACK,
    USER,
    define_table,
    field,
    nullable_field,
    snapshot,
)

SOURCE = field("source", STRING, "name of the source in the sources file")

EVENTS = define_table(
    "events",
    "action of a user on a track (partition: the UTC date of receipt; an event that was received on several dates is in each "
    "of them and counts once)",
    "events",
    ("user_id", "track_id", "event", "played_at"),
    USER,
    TRACK,
    field("event", STRING, "play, skip, like, unlike, rate or block"),
    nullable_field("rating", DOUBLE, "stars, 1 to 5; only with event=rate"),
    nullable_field("ms_played", LONG, "milliseconds played; null if unknown"),
    field("played_at", TIMESTAMP, "time of the event, UTC"),
    nullable_field("session_id", STRING, "listening session, by the source's id"),
    field(
        "within_late_window",
        BOOLEAN,
        "False if received more than 3 days after the event; such events are stored and not used",
    ),
)
PLAY_COUNTS = snapshot(
    "play_counts",
    "user and song with a play count, without times (partition: the snapshot's as_of)",
    ("user_id", "song_id"),
    USER,
    SONG_ID,
    field("plays", LONG, "number of plays up to the as_of date"),
)
SOURCE_TRACKS = snapshot(
    "source_tracks",
    "track, as described by one catalogue source",
    ("track_id",),
    TRACK,
    SONG,
    nullable_field("title", STRING, "track title"),
    nullable_field("artist_id", STRING, "MSD artist (AR...), or the id of another source, prefixed with its namespace"),
    nullable_field("artist", STRING, "artist name"),
    nullable_field("release", STRING, "album or single"),
    nullable_field("year", INT, "year of release; null if unknown"),
    nullable_field("duration_s", DOUBLE, "length in seconds"),
)
SOURCE_ARTISTS = snapshot(
    "source_artists",
    "artist of the catalogue",
    ("artist_id",),
    field("artist_id", STRING, "MSD artist (AR...), or the id of another source, prefixed with its namespace"),
    field("name", STRING, "artist name"),
    nullable_field("latitude", DOUBLE, "degrees north; null if unknown"),
    nullable_field("longitude", DOUBLE, "degrees east; null if unknown"),
)
ARTIST_TERMS = snapshot(
    "artist_terms",
    "descriptive term of an artist, in the source's order",
    ("artist_id", "term"),
    ARTIST,
    field("term", STRING, "term in lower case, e.g. drum and bass"),
)
ARTIST_SIMILARITY = snapshot(
    "artist_similarity",
    "pair of artists that the source calls similar; one direction",
    ("artist_id", "similar_id"),
    ARTIST,
    field("similar_id", STRING, "similar MSD artist (AR...)"),
)
TRACK_TAGS = snapshot(
    "track_tags",
    "tag of a track, given by users of Last.fm",
    ("track_id", "tag"),
    TRACK,
    field("tag", STRING, "tag, in the source's spelling"),
    nullable_field("weight", DOUBLE, "frequency relative to the track's most frequent tag, 0 to 100"),
)
TRACK_SIMILARS = snapshot(
    "track_similars",
    "pair of tracks that Last.fm calls similar; one direction",
    ("track_id", "similar_id"),
    TRACK,
    field("similar_id", STRING, "similar track, an id of the same kind"),
    field("score", DOUBLE, "similarity, above 0 to 1"),
)
SONG_TO_TRACKS = snapshot(
    "song_to_tracks",
    "song and one of its tracks, from the Taste Profile's list",
    ("song_id", "track_id"),
    SONG_ID,
    TRACK,
)
MISMATCHES = snapshot(
    "mismatches",
    "wrong match of a song and a track by the Echo Nest; the two must not be joined",
    ("song_id", "track_id"),
    SONG_ID,
    TRACK,
)
GENRE_LABELS = snapshot(
    "genre_labels",
    "genre label of a track by an annotator",
    ("track_id", "label"),
    TRACK,
    field("label", STRING, "genre in the source's spelling; jobs/genres.toml maps it to the genre set"),
    field("label_rank", INT, "1-based rank of the label: 1 is the first label of the track"),
)
USERS = snapshot(
    "users",
    "profile of a user",
    ("user_id",),
    USER,
    nullable_field("gender", STRING, "m, f, or the source's own value"),
    nullable_field("age", INT, "age at registration, years; null if unknown"),
    nullable_field("country", STRING, "country name"),
    nullable_field("registered", DATE, "date of registration"),
)
DELETIONS = define_table(
    "deletions",
    "deletion request; users are stored by the SHA-256 of their ids only",
    "events, snapshots",
    ("user_hash", "track_id"),
    field("user_hash", STRING, "SHA-256 (hex) of the user id, namespace included"),
    nullable_field("track_id", STRING, "track to erase for the user; null: erase the user"),
)
AUDIO_FILES = snapshot(
    "audio_files",
    "audio file of a track",
    ("track_id",),
    TRACK,
    field("path", STRING, "location of the file: an absolute path or URI"),
    field("bytes", LONG, "size of the file, bytes"),
    field("content_hash", STRING, "SHA-256 (hex) of the file's bytes"),
    nullable_field("title", STRING, "title from the file's tags or name"),
    nullable_field("label", STRING, "genre from the file's name, folder (GTZAN) or tags"),
    nullable_field("artist", STRING, "artist from the file's tags"),
    nullable_field("release", STRING, "album from the file's tags"),
    nullable_field("year", INT, "year from the file's tags"),
)
QUARANTINE = define_table(
    "quarantine",
    "rejected input with the reason",
    "events, snapshots, mel, descriptors",
    ("source", "file", "line", "rule"),
    SOURCE,
    field("file", STRING, "file of the input"),
    nullable_field("line", LONG, "1-based line, or row; null: the whole file"),
    field("rule", STRING, "name of the rule that the input breaks"),
    field("reason", STRING, "explanation of the rule"),
    nullable_field("raw", STRING, "rejected bytes, base64; null for a whole file, or after an erasure"),
)
INGEST_COUNTS = define_table(
    "ingest_counts",
    "input file and its line counts: lines_in = good + quarantined + blank",
    "events, snapshots",
    ("source", "file"),
    SOURCE,
    field("file", STRING, "file that was read"),
    field("lines_in", LONG, "lines (or rows, or files), counted independently from the raw bytes"),
    field("good", LONG, "accepted lines, including duplicates and late events"),
    field("quarantined", LONG, "rejected lines, each with a reason"),
    field("blank", LONG, "empty lines, comments and headers"),
    field("duplicates", LONG, "accepted lines that repeat another line; they count once"),
    field("late", LONG, "accepted events received after the late window; no night uses them"),
    field("over_limit", LONG, "accepted events beyond a user's limit of 10,000 per day; they are dropped"),
    field(
        "truncated", BOOLEAN, "True if the .gz is truncated; the lines before the truncation were read, as configured"
    ),
)
TABLES = (
    EVENTS,
    PLAY_COUNTS,
    SOURCE_TRACKS,
    SOURCE_ARTISTS,
    ARTIST_TERMS,
    ARTIST_SIMILARITY,
    TRACK_TAGS,
    TRACK_SIMILARS,
    SONG_TO_TRACKS,
    MISMATCHES,
    GENRE_LABELS,
    USERS,
    DELETIONS,
    AUDIO_FILES,
    QUARANTINE,
    INGEST_COUNTS,
)
