"""Tables that the pipeline computes from the sources: catalogue, history, audio, genres, collaborative, lists."""

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from jobs.lake.schemas.columns import Table, column
from jobs.lake.schemas.sources import SONG, TRACK, USER

FACTORS = ArrayType(FloatType())


def _factors(of: str) -> StructField:
    return column("factors", FACTORS, f"latent factors of the {of}, unitless, as many as the job's `rank`")


def _text(name: str, comment: str) -> StructField:
    return column(name, StringType(), comment, nullable=True)


def _number(name: str, comment: str, kind: DataType | None = None) -> StructField:
    return column(name, kind or DoubleType(), comment)


TRACKS = Table(
    "tracks",
    "track that may be recommended: the catalogue's one truth",
    "catalogue",
    StructType(
        [
            TRACK,
            SONG,
            _text("title", "track title"),
            _text("artist_id", "MSD artist (AR...)"),
            _text("artist", "artist name"),
            column("has_audio", BooleanType(), "an audio file of the track is known"),
            _text("label_genre", "genre by annotation, in the run's genre set"),
            _text("terms_genre", "genre by vote of the artist's terms, in the run's genre set"),
            column("known_from", StringType(), "catalogue, audio or plays: what brought the track in"),
        ]
    ),
    ("track_id",),
)
SONG_TRACKS = Table(
    "song_tracks",
    "song with the one track that stands for it: its first track by id that is not a published mismatch",
    "catalogue",
    StructType([column("song_id", StringType(), "MSD song (SO...)"), TRACK]),
    ("song_id",),
)
HISTORY = Table(
    "history",
    "H_U: user and track heard up to the date (PMRS Eq. 1)",
    "history",
    StructType(
        [
            USER,
            TRACK,
            _number("rating", "R_M: latest stars, else plays; +1 if liked; 0 if only skipped or blocked"),
            _number("plays", "plays of at least 30 s or of unknown length", LongType()),
            column("liked", BooleanType(), "the latest like or unlike was a like"),
            column("last_heard", TimestampType(), "latest event, UTC; null: from a snapshot only", nullable=True),
        ]
    ),
    ("user_id", "track_id"),
)
LISTENERS = Table(
    "listeners",
    "user who gets lists: everybody with a history or a profile who did not ask to be forgotten",
    "history",
    StructType([USER, _number("heard", "number of distinct tracks heard", LongType())]),
    ("user_id",),
)
LOSSES = Table(
    "losses",
    "join of the night, with what it lost",
    "catalogue, history",
    StructType(
        [
            column("step", StringType(), "the join, in words"),
            _number("rows_in", "rows before", LongType()),
            _number("rows_lost", "rows that found no partner and are not used", LongType()),
        ]
    ),
    ("step",),
)
MEL = Table(
    "mel",
    "clip of a track as log-mel spectrogram",
    "mel",
    StructType(
        [
            TRACK,
            column("content_hash", StringType(), "SHA-256 (hex) of the audio file's bytes"),
            column("preset", StringType(), "pmrs-4s or spotify-30s (models/mel.py)"),
            _number("clip", "0-based place of the clip in the track", IntegerType()),
            column("tiled", BooleanType(), "the audio was shorter than the preset's clip and was repeated"),
            column("mel", BinaryType(), "599 frames x 128 mel bins, float16, row-major; log-compressed power"),
        ]
    ),
    ("track_id", "preset", "clip"),
)
GENRE_SCORES = Table(
    "genre_scores",
    "track as the genre CNN hears it: the mean over its clips",
    "genre_score",
    StructType(
        [
            TRACK,
            column("probabilities", FACTORS, "P(g|track), in the order of the run's genre set; sums to 1"),
            column("embedding", FACTORS, "last hidden layer of the CNN, unitless"),
            column("model", StringType(), "digest of the model in the registry"),
        ]
    ),
    ("track_id",),
)
TRACK_GENRES = Table(
    "track_genres",
    "track with its genre and where the genre comes from; published as classified_music",
    "classify",
    StructType(
        [
            TRACK,
            _text("genre", "most probable genre; null: none is known"),
            _number("confidence", "probability of that genre, 0 to 1; 0 where none is known"),
            column("probabilities", ArrayType(DoubleType()), "P(g|track) in the order of the genre set, or empty"),
            column("source", StringType(), "cnn, label, terms or none"),
            _text("model", "digest of the CNN where source is cnn"),
        ]
    ),
    ("track_id",),
)
ITEM_FACTORS = Table(
    "item_factors",
    "track's place in the collaborative model",
    "collaborative",
    StructType([TRACK, _factors("track")]),
    ("track_id",),
)
USER_FACTORS = Table(
    "user_factors",
    "user's place in the collaborative model",
    "collaborative",
    StructType([USER, _factors("user")]),
    ("user_id",),
)
CANDIDATES = Table(
    "candidates",
    "unheard track that a method offers a user for a list",
    "candidates",
    StructType(
        [
            USER,
            column("list", StringType(), "overall, or a genre of the run's genre set"),
            TRACK,
            column("method", StringType(), "pmrs_cf"),
            _number("score", "PMRS score for this list, 0 to 1: taste x P(g|track) x percentile"),
            _number("percentile", "s(u,c): share of the user's unheard tracks that are not above this one, 0 to 1"),
            _number("taste", "theta_u(g): the list's genre among the user's ratings, 0 to 1; 1 for overall"),
            _text("because_track_id", "well rated track of the user's whose factors are nearest by cosine"),
        ]
    ),
    ("user_id", "list", "track_id", "method"),
)
RANKED = Table(
    "ranked",
    "place in a user's list",
    "rank",
    StructType(
        [
            USER,
            column("list", StringType(), "overall, or a genre of the run's genre set"),
            _number("rank", "1-based place", IntegerType()),
            TRACK,
            _number("score", "PMRS score of the list, 0 to 1; comparable within one list and tier only"),
            column("source", StringType(), "method that brought the track: pmrs_cf, popular or genre_shelf"),
            column("tier", StringType(), "personal, popular or unplayed: how far the list had to reach"),
            column("why", StringType(), "the reason, in words"),
        ]
    ),
    ("user_id", "list", "rank"),
)
FORGOTTEN = Table(
    "forgotten",
    "thing that was amended because somebody asked to be forgotten; it names nobody (partition: the night that did it)",
    "forget",
    StructType(
        [
            column("what", StringType(), "table or part (events/app_log), MongoDB collection, report, or models/NAME"),
            column("date", StringType(), "date of the partition, night or report, ISO; empty where it has none"),
            _number("removed", "rows, documents or models that are gone", LongType()),
            _number("changed", "rows or documents that stay, without the reason, item or bytes that named somebody", LongType()),
            column("run_id", StringType(), "run that did it: `amended_by` of the manifests and publications"),
            column("at", TimestampType(), "when, UTC"),
        ]
    ),
    ("what", "date", "run_id", "at"),
)
TABLES = (
    TRACKS,
    SONG_TRACKS,
    HISTORY,
    LISTENERS,
    LOSSES,
    MEL,
    GENRE_SCORES,
    TRACK_GENRES,
    ITEM_FACTORS,
    USER_FACTORS,
    CANDIDATES,
    RANKED,
    FORGOTTEN,
)
