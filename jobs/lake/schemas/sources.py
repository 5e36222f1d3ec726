"""Tables that ingest writes: one per kind of input, whatever format it came in."""

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
    "one thing a user did to a track (partition: the UTC date on which it was received; what came in again on a later date lies "
    "there too, and counts once in everything that is made of it)",
    "events",
    ("user_id", "track_id", "event", "played_at"),
    USER,
    TRACK,
    column("event", TEXT, "play, skip, like, unlike, rate or block"),
    optional("rating", REAL, "stars, 1 to 5; only with event=rate"),
    optional("ms_played", LONG, "milliseconds heard; null where unknown"),
    column("played_at", TIME, "when it happened, UTC"),
    optional("session_id", TEXT, "listening session, as the source names it"),
    column("within_late_window", FLAG, "false: received more than 3 days after it happened; kept, not used"),
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
    "track as one catalogue source describes it",
    ("track_id",),
    TRACK,
    SONG,
    optional("title", TEXT, "track title"),
    optional("artist_id", TEXT, "MSD artist (AR...), or another source's id behind its namespace"),
    optional("artist", TEXT, "artist name"),
    optional("release", TEXT, "album or single"),
    optional("year", INT, "year of release; null where unknown"),
    optional("duration_s", REAL, "length in seconds"),
)
SOURCE_ARTISTS = snapshot(
    "source_artists",
    "artist of the catalogue",
    ("artist_id",),
    column("artist_id", TEXT, "MSD artist (AR...), or another source's id behind its namespace"),
    column("name", TEXT, "artist name"),
    optional("latitude", REAL, "degrees north; null where unknown"),
    optional("longitude", REAL, "degrees east; null where unknown"),
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
    "artist that the source calls similar to another; one direction",
    ("artist_id", "similar_id"),
    ARTIST,
    column("similar_id", TEXT, "MSD artist (AR...) that is similar to it"),
)
TRACK_TAGS = snapshot(
    "track_tags",
    "tag that listeners gave a track (Last.fm)",
    ("track_id", "tag"),
    TRACK,
    column("tag", TEXT, "tag as the source spells it"),
    optional("weight", REAL, "0 to 100: how often, against the track's commonest tag"),
)
TRACK_SIMILARS = snapshot(
    "track_similars",
    "track that the source calls similar to another (Last.fm); one direction",
    ("track_id", "similar_id"),
    TRACK,
    column("similar_id", TEXT, "track that is similar to it, an id of the same kind"),
    column("score", REAL, "similarity, above 0 to 1"),
)
SONG_TO_TRACKS = snapshot(
    "song_to_tracks",
    "track of a song, as the Taste Profile's own list has it",
    ("song_id", "track_id"),
    SONG_ID,
    TRACK,
)
MISMATCHES = snapshot(
    "mismatches",
    "song and track that the Echo Nest matched wrongly and that must not be joined",
    ("song_id", "track_id"),
    SONG_ID,
    TRACK,
)
GENRE_LABELS = snapshot(
    "genre_labels",
    "genre that an annotator gave a track, in the annotator's words",
    ("track_id", "label"),
    TRACK,
    column("label", TEXT, "genre as the source spells it; maps lie in jobs/genres.toml"),
    column("label_rank", INT, "1: first label; 2 and on: further ones"),
)
USERS = snapshot(
    "users",
    "listener's profile",
    ("user_id",),
    USER,
    optional("gender", TEXT, "m, f or as the source says"),
    optional("age", INT, "years at registration; null where unknown"),
    optional("country", TEXT, "country name"),
    optional("registered", DAY, "day the account was opened"),
)
DELETIONS = define(
    "deletions",
    "wish to be forgotten; ids of users are kept only as their SHA-256",
    "events, snapshots",
    ("user_hash", "track_id"),
    column("user_hash", TEXT, "SHA-256 (hex) of the user id, namespace included"),
    optional("track_id", TEXT, "forget this track for the user; null: forget the user"),
)
AUDIO_FILES = snapshot(
    "audio_files",
    "audio file of a track",
    ("track_id",),
    TRACK,
    column("path", TEXT, "where the file lies: an absolute path or URI"),
    column("bytes", LONG, "size of the file in bytes"),
    column("content_hash", TEXT, "SHA-256 (hex) of the file's bytes"),
    optional("title", TEXT, "title that the file's tags or its name tell"),
    optional("label", TEXT, "genre named by the file, its folder (GTZAN) or its tags"),
    optional("artist", TEXT, "artist that the file's tags tell"),
    optional("release", TEXT, "album that the file's tags tell"),
    optional("year", INT, "year that the file's tags tell"),
)
QUARANTINE = define(
    "quarantine",
    "input that was rejected, with the reason",
    "events, snapshots, mel, descriptors",
    ("source", "file", "line", "rule"),
    SOURCE,
    column("file", TEXT, "file the input came from"),
    optional("line", LONG, "1-based line, or row; null: the whole file"),
    column("rule", TEXT, "name of the rule that it broke"),
    column("reason", TEXT, "the rule in words, for a person"),
    optional("raw", TEXT, "the rejected bytes, base64; null: the whole file, or forgotten"),
)
INGEST_COUNTS = define(
    "ingest_counts",
    "input file with its account: lines_in = good + quarantined + blank",
    "events, snapshots",
    ("source", "file"),
    SOURCE,
    column("file", TEXT, "file that was read"),
    column("lines_in", LONG, "lines (rows, files) by an independent reader of the raw bytes"),
    column("good", LONG, "accepted, duplicates and late ones included"),
    column("quarantined", LONG, "rejected with a reason"),
    column("blank", LONG, "empty lines, comments and headers"),
    column("duplicates", LONG, "accepted lines that repeat another one and count once"),
    column("late", LONG, "accepted events received after the window, which no night uses"),
    column("over_limit", LONG, "accepted events over one user's 10,000 of a day, which are left out"),
    column("truncated", FLAG, "the .gz is cut short; what stands before the cut was taken, as configured"),
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
