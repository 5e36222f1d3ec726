"""Tables that the pipeline computes from the sources: catalogue, history, collaborative, lists."""

from pyspark.sql.types import ArrayType, StructField

from jobs.lake.schemas.columns import (
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
    VECTOR,
    column,
    define,
    optional,
)

LIST = column("list", TEXT, "overall, or a genre of the run's genre set")


def _factors(of: str) -> StructField:
    return column("factors", VECTOR, f"latent factors of the {of}, unitless, as many as the live recipe's `rank`")


TRACKS = define(
    "tracks",
    "track that may be recommended: the catalogue's one truth",
    "catalogue",
    ("track_id",),
    TRACK,
    SONG,
    optional("title", TEXT, "track title"),
    optional("artist_id", TEXT, "MSD artist (AR...), or another source's id behind its namespace"),
    optional("artist", TEXT, "artist name"),
    column("has_audio", FLAG, "an audio file of the track is known"),
    optional("label_genre", TEXT, "genre by annotation, in the run's genre set"),
    optional("label_genres", ArrayType(TEXT), "every genre of the set that annotations give it, in the set's order"),
    optional("terms_genre", TEXT, "genre by vote of the artist's terms, in the run's genre set"),
    column("origin", TEXT, "catalogue, audio or plays: what brought the track in"),
)
SONG_TRACKS = define(
    "song_tracks",
    "song with the one track that stands for it: its first track by id that is not a published mismatch",
    "catalogue",
    ("song_id",),
    SONG_ID,
    TRACK,
)
HISTORY = define(
    "history",
    "H_U: user and track heard up to the date (PMRS Eq. 1)",
    "history",
    ("user_id", "track_id"),
    USER,
    TRACK,
    column("rating", REAL, "R_M: latest stars, else plays; +1 if liked; 0 if only skipped or blocked"),
    column("plays", LONG, "plays of at least 30 s or of unknown length"),
    column("liked", FLAG, "the latest like or unlike was a like"),
    optional("last_event_at", TIME, "latest event, UTC; null: from a snapshot only"),
)
ELIGIBLE_USERS = define(
    "eligible_users",
    "user who gets lists: everybody with a history or a profile who did not ask to be forgotten",
    "history",
    ("user_id",),
    USER,
    column("n_seen", LONG, "distinct tracks in the history of the user"),
)
JOIN_DROPS = define(
    "join_drops",
    "join of the night, with what it lost",
    "catalogue, history",
    ("step",),
    column("step", TEXT, "the join, in words"),
    column("rows_in", LONG, "rows before"),
    column("rows_dropped", LONG, "rows that found no partner and are not used"),
)
ITEM_FACTORS = define(
    "item_factors",
    "factors of a track",
    "collaborative",
    ("track_id",),
    TRACK,
    _factors("track"),
)
USER_FACTORS = define(
    "user_factors",
    "factors of a user",
    "collaborative",
    ("user_id",),
    USER,
    _factors("user"),
)
CANDIDATES = define(
    "candidates",
    "unheard track that a method offers a user for a list",
    "candidates",
    ("user_id", "list", "track_id", "method"),
    USER,
    LIST,
    TRACK,
    column("method", TEXT, "the live recipe's: pmrs_cf, als, als_mllib, ease, sparse_ease, item_knn, bpr or blend"),
    column("score", REAL, "PMRS score for this list, 0 to 1: genre_share x P(g|track) x percentile"),
    column("percentile", REAL, "s(u,c): share of the user's unheard tracks that are not above this one, 0 to 1"),
    column("genre_share", REAL, "theta_u(g): the list's genre among the user's ratings, 0 to 1; 1 for overall"),
    optional("reason_track_id", TEXT, "liked track of the user's that carried most of the score"),
)
CONTENT_FACTORS = define(
    "content_factors",
    "unplayed track, with the factors that its audio predicts",
    "content",
    ("track_id",),
    TRACK,
    column("factors", VECTOR, "predicted factors, of length 1, as many as the live recipe's `rank`"),
)
CONTENT_CANDIDATES = define(
    "content_candidates",
    "track that nobody has played, offered to a user for the overall list by its sound",
    "content",
    ("user_id", "track_id"),
    USER,
    TRACK,
    column("score", REAL, "cosine of the user's factors and those that the track's sound predicts, 0 to 1"),
    optional("reason_track_id", TEXT, "liked track of the user's that sounds most like it; null: none of them has audio"),
)
CANDIDATE_FINGERPRINTS = define(
    "candidate_fingerprints",
    "user whose candidates were made, and of what: whoever has the same inputs the next night keeps them",
    "candidates",
    ("user_id",),
    USER,
    column("fingerprint", LONG, "64-bit hash of the heard tracks' numbers and ratings"),
)
RANKED = define(
    "ranked",
    "rank in a user's list",
    "rank",
    ("user_id", "list", "rank"),
    USER,
    LIST,
    column("rank", INT, "1-based rank"),
    TRACK,
    column("score", REAL, "PMRS score of the list, 0 to 1; comparable within one list and tier only"),
    column("source", TEXT, "what brought the track: the live recipe's method, content, popular or genre_fallback"),
    column("tier", TEXT, "personal, cold_start (unplayed, chosen by audio), popular or fallback_unplayed: the step of the rank"),
    column("why", TEXT, "the reason, in words"),
)
ERASURES = define(
    "erasures",
    "thing that was amended because somebody asked to be forgotten; it names nobody (partition: the night that did it)",
    "erase",
    ("what", "date", "run_id", "at"),
    column("what", TEXT, "table or part (events/app_log), MongoDB collection, report, or models/NAME"),
    column("date", TEXT, "date of the partition, night or report, ISO; empty where it has none"),
    column("removed", LONG, "rows, documents or models that are gone"),
    column("changed", LONG, "rows or documents that stay, without the reason, item or bytes that named somebody"),
    column("run_id", TEXT, "run that did it: `amended_by` of the manifests and publications"),
    column("at", TIME, "when, UTC"),
)
EVALUATION_QUERIES = define(
    "evaluation_queries",
    "query of an evaluation, and where a model's list has what was relevant (part: split and model)",
    "evaluate",
    ("split", "model", "seed", "task", "query_id"),
    column("split", TEXT, "temporal, random, last or users"),
    column("protocol", TEXT, "what was learned from and asked for, in a sentence: figures of equal protocols compare"),
    column("model", TEXT, "contender, as `pmrs evaluate --models` names it"),
    column("task", TEXT, "discovery, re-listening, next track or rest of session"),
    column("query_id", TEXT, "user, or user, session and position"),
    USER,
    column("relevant", INT, "relevant tracks"),
    column("hit_ranks", ArrayType(INT), "1-based ranks (to 100) of relevant tracks, ascending; ties count against the model"),
    column("list_length", INT, "length of the list"),
    column("seed", INT, "seed of the training; 0 where nothing is drawn"),
)
QUALITY = define(
    "quality",
    "figure of lists that were made before the day, held against what their users first played on the day",
    "quality",
    ("model", "metric"),
    column("model", TEXT, "live: the lists of the night before; popularity, popularity_window: what they are held against"),
    column("metric", TEXT, "such as NDCG@20; jobs/evaluate/metrics.py defines it"),
    column("lists_date", TEXT, "date of the night whose lists, and whose view of the past, these are; ISO"),
    column("users", LONG, "users who had lists, and played on the day what they had not heard before"),
    column("mean", REAL, "mean over these users"),
    column("low", REAL, "lower end of its 95 % interval (bootstrap over users)"),
    column("high", REAL, "upper end"),
    optional("delta", REAL, "by how much the live lists are ahead of this model, paired by user; null: of themselves"),
    optional("delta_ci_low", REAL, "lower end of the 95 % interval of `delta`"),
    optional("delta_ci_high", REAL, "upper end"),
)
GENRE_CONFIDENCE = define(
    "genre_confidence",
    "PMRS's confidence score of the lists of a genre, held against what their users first played on the day",
    "quality",
    ("model", "genre"),
    column("model", TEXT, "live: lists of the night before; popularity: the genre's most played tracks that a user has not heard"),
    column("genre", TEXT, "of the run's genre set, as the night before knew it"),
    column("lists_date", TEXT, "date of the night whose lists, and whose view of the past, these are; ISO"),
    column("users", LONG, "users who had lists, and played on the day a track of the genre for the first time"),
    column("confidence", REAL, "their mean share of the ten best rated such tracks in the list's first ten ranks (PMRS Eq. 6)"),
)
TABLES = (
    TRACKS,
    SONG_TRACKS,
    HISTORY,
    ELIGIBLE_USERS,
    JOIN_DROPS,
    ITEM_FACTORS,
    USER_FACTORS,
    CANDIDATES,
    CONTENT_FACTORS,
    CONTENT_CANDIDATES,
    CANDIDATE_FINGERPRINTS,
    RANKED,
    ERASURES,
    EVALUATION_QUERIES,
    QUALITY,
    GENRE_CONFIDENCE,
)
