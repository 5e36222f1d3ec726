"""Tables that ingest writes: one per kind of input, whatever format it came in."""

from pyspark.sql.types import (
    BooleanType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructType,
    TimestampType,
)

from jobs.lake.schemas.columns import Table, column

USER = column("user_id", StringType(), "listener, prefixed with its source's namespace where one is configured")
TRACK = column("track_id", StringType(), "MSD track (TR...), or another source's id behind its namespace")
SONG = column("song_id", StringType(), "MSD song (SO...); one song may have several tracks", nullable=True)

EVENTS = Table(
    "events",
    "one thing a user did to a track (partition: the UTC date on which it was received)",
    "events",
    StructType(
        [
            USER,
            TRACK,
            column("event", StringType(), "play, skip, like, unlike, rate or block"),
            column("rating", DoubleType(), "stars, 1 to 5; only with event=rate", nullable=True),
            column("ms_played", LongType(), "milliseconds heard; null where unknown", nullable=True),
            column("played_at", TimestampType(), "when it happened, UTC"),
            column("session_id", StringType(), "listening session, as the source names it", nullable=True),
            column("on_time", BooleanType(), "false: received more than 3 days after it happened; kept, not used"),
        ]
    ),
    ("user_id", "track_id", "event", "played_at"),
)
PLAY_COUNTS = Table(
    "play_counts",
    "user and song with a play count, without times (partition: the snapshot's as_of)",
    "snapshots",
    StructType(
        [
            USER,
            column("song_id", StringType(), "MSD song (SO...)"),
            column("plays", LongType(), "number of plays up to the as_of date"),
        ]
    ),
    ("user_id", "song_id"),
)
SOURCE_TRACKS = Table(
    "source_tracks",
    "track as one catalogue source describes it",
    "snapshots",
    StructType(
        [
            TRACK,
            SONG,
            column("title", StringType(), "track title", nullable=True),
            column("artist_id", StringType(), "MSD artist (AR...), or another source's id behind its namespace", nullable=True),
            column("artist", StringType(), "artist name", nullable=True),
            column("release", StringType(), "album or single", nullable=True),
            column("year", IntegerType(), "year of release; null where unknown", nullable=True),
            column("duration_s", DoubleType(), "length in seconds", nullable=True),
        ]
    ),
    ("track_id",),
)
SOURCE_ARTISTS = Table(
    "source_artists",
    "artist of the catalogue",
    "snapshots",
    StructType(
        [
            column("artist_id", StringType(), "MSD artist (AR...), or another source's id behind its namespace"),
            column("name", StringType(), "artist name"),
            column("latitude", DoubleType(), "degrees north; null where unknown", nullable=True),
            column("longitude", DoubleType(), "degrees east; null where unknown", nullable=True),
        ]
    ),
    ("artist_id",),
)
ARTIST_TERMS = Table(
    "artist_terms",
    "descriptive term of an artist, in the source's order",
    "snapshots",
    StructType(
        [
            column("artist_id", StringType(), "MSD artist (AR...)"),
            column("term", StringType(), "term in lower case, e.g. drum and bass"),
        ]
    ),
    ("artist_id", "term"),
)
ARTIST_SIMILARITY = Table(
    "artist_similarity",
    "artist that the source calls similar to another; one direction",
    "snapshots",
    StructType(
        [
            column("artist_id", StringType(), "MSD artist (AR...)"),
            column("similar_id", StringType(), "MSD artist (AR...) that is similar to it"),
        ]
    ),
    ("artist_id", "similar_id"),
)
TRACK_TAGS = Table(
    "track_tags",
    "tag that listeners gave a track (Last.fm)",
    "snapshots",
    StructType(
        [
            TRACK,
            column("tag", StringType(), "tag as the source spells it"),
            column("weight", DoubleType(), "0 to 100: how often, against the track's commonest tag", nullable=True),
        ]
    ),
    ("track_id", "tag"),
)
TRACK_SIMILARS = Table(
    "track_similars",
    "track that the source calls similar to another (Last.fm); one direction",
    "snapshots",
    StructType(
        [
            TRACK,
            column("similar_id", StringType(), "track that is similar to it, an id of the same kind"),
            column("score", DoubleType(), "similarity, above 0 to 1"),
        ]
    ),
    ("track_id", "similar_id"),
)
SONG_TO_TRACKS = Table(
    "song_to_tracks",
    "track of a song, as the Taste Profile's own list has it",
    "snapshots",
    StructType([column("song_id", StringType(), "MSD song (SO...)"), TRACK]),
    ("song_id", "track_id"),
)
MISMATCHES = Table(
    "mismatches",
    "song and track that the Echo Nest matched wrongly and that must not be joined",
    "snapshots",
    StructType([column("song_id", StringType(), "MSD song (SO...)"), TRACK]),
    ("song_id", "track_id"),
)
GENRE_LABELS = Table(
    "genre_labels",
    "genre that an annotator gave a track, in the annotator's words",
    "snapshots",
    StructType(
        [
            TRACK,
            column("label", StringType(), "genre as the source spells it; maps lie in jobs/lake/genres.toml"),
            column("place", IntegerType(), "1: first label; 2 and on: further ones"),
        ]
    ),
    ("track_id", "label"),
)
USERS = Table(
    "users",
    "listener's profile",
    "snapshots",
    StructType(
        [
            USER,
            column("gender", StringType(), "m, f or as the source says", nullable=True),
            column("age", IntegerType(), "years at registration; null where unknown", nullable=True),
            column("country", StringType(), "country name", nullable=True),
            column("registered", DateType(), "day the account was opened", nullable=True),
        ]
    ),
    ("user_id",),
)
DELETIONS = Table(
    "deletions",
    "wish to be forgotten; ids of users are kept only as their SHA-256",
    "events, snapshots",
    StructType(
        [
            column("user_hash", StringType(), "SHA-256 (hex) of the user id, namespace included"),
            column("track_id", StringType(), "forget this track for the user; null: forget the user", nullable=True),
        ]
    ),
    ("user_hash", "track_id"),
)
AUDIO_FILES = Table(
    "audio_files",
    "audio file of a track",
    "snapshots",
    StructType(
        [
            TRACK,
            column("path", StringType(), "where the file lies: an absolute path or URI"),
            column("bytes", LongType(), "size of the file in bytes"),
            column("content_hash", StringType(), "SHA-256 (hex) of the file's bytes"),
            column("title", StringType(), "title that the file's tags or its name tell", nullable=True),
            column("label", StringType(), "genre named by the file, its folder (GTZAN) or its tags", nullable=True),
            column("artist", StringType(), "artist that the file's tags tell", nullable=True),
            column("release", StringType(), "album that the file's tags tell", nullable=True),
            column("year", IntegerType(), "year that the file's tags tell", nullable=True),
        ]
    ),
    ("track_id",),
)
QUARANTINE = Table(
    "quarantine",
    "input that was rejected, with the reason",
    "events, snapshots, mel",
    StructType(
        [
            column("source", StringType(), "name of the source in the sources file"),
            column("file", StringType(), "file the input came from"),
            column("line", LongType(), "1-based line, or row; null: the whole file", nullable=True),
            column("rule", StringType(), "name of the rule that it broke"),
            column("reason", StringType(), "the rule in words, for a person"),
            column("raw", StringType(), "the rejected bytes, base64; null: the whole file, or forgotten", nullable=True),
        ]
    ),
    ("source", "file", "line", "rule"),
)
INGEST_COUNTS = Table(
    "ingest_counts",
    "input file with its account: lines_in = good + quarantined + blank",
    "events, snapshots",
    StructType(
        [
            column("source", StringType(), "name of the source in the sources file"),
            column("file", StringType(), "file that was read"),
            column("lines_in", LongType(), "lines (rows, files) by an independent reader of the raw bytes"),
            column("good", LongType(), "accepted, duplicates and late ones included"),
            column("quarantined", LongType(), "rejected with a reason"),
            column("blank", LongType(), "empty lines, comments and headers"),
            column("duplicates", LongType(), "accepted lines that repeat another one and count once"),
            column("late", LongType(), "accepted events received after the window, which no night uses"),
            column("over_limit", LongType(), "accepted events over one user's 10,000 of a day, which are left out"),
            column("truncated", BooleanType(), "the .gz is cut short; what stands before the cut was taken, as configured"),
        ]
    ),
    ("source", "file"),
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
