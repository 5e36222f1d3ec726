"""Tables that ingest writes: one per kind of input, for all formats."""

from jobs.lake.schemas.columns import (
    ARTIST,
    DAY,
    FLAG,
    INT,
    LONG,
    REAL,
    SONG,
    SONG_ID,
    TEXT,
    TIME,
    TRACK,
    USER,
    column,
    define,
    optional,
    snapshot,
)

SOURCE = column("source", TEXT, "name of the source in the sources file")

EVENTS = define(
    "events",
    "action of a user on a track (partition: the UTC date of receipt; an event that was received on several dates is in each "
    "of them and counts once)",
    "events",
    ("user_id", "track_id", "event", "played_at"),
    USER,
    TRACK,
    column("event", TEXT, "play, skip, like, unlike, rate or block"),
    optional("rating", REAL, "stars, 1 to 5; only with event=rate"),
    optional("ms_played", LONG, "milliseconds played; null if unknown"),
    column("played_at", TIME, "time of the event, UTC"),
    optional("session_id", TEXT, "listening session, by the source's id"),
    column("within_late_window", FLAG, "False if received more than 3 days after the event; such events are stored and not used"),
)
PLAY_COUNTS = snapshot(
    "play_counts",
    "user and song with a play count, without times (partition: the snapshot's as_of)",
    ("user_id", "song_id"),
    USER,
    SONG_ID,
    column("plays", LONG, "number of plays up to the as_of date"),
)
SOURCE_TRACKS = snapshot(
    "source_tracks",
    "track, as described by one catalogue source",
    ("track_id",),
    TRACK,
    SONG,
    optional("title", TEXT, "track title"),
    optional("artist_id", TEXT, "MSD artist (AR...), or the id of another source, prefixed with its namespace"),
    optional("artist", TEXT, "artist name"),
    optional("release", TEXT, "album or single"),
    optional("year", INT, "year of release; null if unknown"),
    optional("duration_s", REAL, "length in seconds"),
)
SOURCE_ARTISTS = snapshot(
    "source_artists",
    "artist of the catalogue",
    ("artist_id",),
    column("artist_id", TEXT, "MSD artist (AR...), or the id of another source, prefixed with its namespace"),
    column("name", TEXT, "artist name"),
    optional("latitude", REAL, "degrees north; null if unknown"),
    optional("longitude", REAL, "degrees east; null if unknown"),
)
ARTIST_TERMS = snapshot(
    "artist_terms",
    "descriptive term of an artist, in the source's order",
    ("artist_id", "term"),
    ARTIST,
    column("term", TEXT, "term in lower case, e.g. drum and bass"),
)
ARTIST_SIMILARITY = snapshot(
    "artist_similarity",
    "pair of artists that the source calls similar; one direction",
    ("artist_id", "similar_id"),
    ARTIST,
    column("similar_id", TEXT, "similar MSD artist (AR...)"),
)
TRACK_TAGS = snapshot(
    "track_tags",
    "tag of a track, given by users of Last.fm",
    ("track_id", "tag"),
    TRACK,
    column("tag", TEXT, "tag, in the source's spelling"),
    optional("weight", REAL, "frequency relative to the track's most frequent tag, 0 to 100"),
)
TRACK_SIMILARS = snapshot(
    "track_similars",
    "pair of tracks that Last.fm calls similar; one direction",
    ("track_id", "similar_id"),
    TRACK,
    column("similar_id", TEXT, "similar track, an id of the same kind"),
    column("score", REAL, "similarity, above 0 to 1"),
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
    column("label", TEXT, "genre in the source's spelling; jobs/genres.toml maps it to the genre set"),
    column("label_rank", INT, "1-based rank of the label: 1 is the first label of the track"),
)
USERS = snapshot(
    "users",
    "profile of a user",
    ("user_id",),
    USER,
    optional("gender", TEXT, "m, f, or the source's own value"),
    optional("age", INT, "age at registration, years; null if unknown"),
    optional("country", TEXT, "country name"),
    optional("registered", DAY, "date of registration"),
)
DELETIONS = define(
    "deletions",
    "deletion request; users are stored by the SHA-256 of their ids only",
    "events, snapshots",
    ("user_hash", "track_id"),
    column("user_hash", TEXT, "SHA-256 (hex) of the user id, namespace included"),
    optional("track_id", TEXT, "track to erase for the user; null: erase the user"),
)
AUDIO_FILES = snapshot(
    "audio_files",
    "audio file of a track",
    ("track_id",),
    TRACK,
    column("path", TEXT, "location of the file: an absolute path or URI"),
    column("bytes", LONG, "size of the file, bytes"),
    column("content_hash", TEXT, "SHA-256 (hex) of the file's bytes"),
    optional("title", TEXT, "title from the file's tags or name"),
    optional("label", TEXT, "genre from the file's name, folder (GTZAN) or tags"),
    optional("artist", TEXT, "artist from the file's tags"),
    optional("release", TEXT, "album from the file's tags"),
    optional("year", INT, "year from the file's tags"),
)
QUARANTINE = define(
    "quarantine",
    "rejected input with the reason",
    "events, snapshots, mel, descriptors",
    ("source", "file", "line", "rule"),
    SOURCE,
    column("file", TEXT, "file of the input"),
    optional("line", LONG, "1-based line, or row; null: the whole file"),
    column("rule", TEXT, "name of the rule that the input breaks"),
    column("reason", TEXT, "explanation of the rule"),
    optional("raw", TEXT, "rejected bytes, base64; null for a whole file, or after an erasure"),
)
INGEST_COUNTS = define(
    "ingest_counts",
    "input file and its line counts: lines_in = good + quarantined + blank",
    "events, snapshots",
    ("source", "file"),
    SOURCE,
    column("file", TEXT, "file that was read"),
    column("lines_in", LONG, "lines (or rows, or files), counted independently from the raw bytes"),
    column("good", LONG, "accepted lines, including duplicates and late events"),
    column("quarantined", LONG, "rejected lines, each with a reason"),
    column("blank", LONG, "empty lines, comments and headers"),
    column("duplicates", LONG, "accepted lines that repeat another line; they count once"),
    column("late", LONG, "accepted events received after the late window; no night uses them"),
    column("over_limit", LONG, "accepted events beyond a user's limit of 10,000 per day; they are dropped"),
    column("truncated", FLAG, "True if the .gz is truncated; the lines before the truncation were read, as configured"),
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
