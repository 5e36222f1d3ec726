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
    return column("factors", VECTOR, f"latent factors of the {of}, unitless; their number is the live ranker's `rank`")


TRACKS = define(
    "tracks",
    "track that may be recommended, merged from all sources",
    "catalogue",
    ("track_id",),
    TRACK,
    SONG,
    optional("title", TEXT, "track title"),
    optional("artist_id", TEXT, "MSD artist (AR...), or the id of another source, prefixed with its namespace"),
    optional("artist", TEXT, "artist name"),
    column("has_audio", FLAG, "True if the track has an audio file"),
    optional("label_genre", TEXT, "genre by annotation, from the run's genre set"),
    optional("label_genres", ArrayType(TEXT), "all genres by annotation, in the order of the genre set"),
    optional("terms_genre", TEXT, "genre by vote of the artist's terms, from the run's genre set"),
    column("origin", TEXT, "source of the track: catalogue, audio or plays"),
)
SONG_TRACKS = define(
    "song_tracks",
    "song and the track that represents it: the first track by id that is not a published mismatch",
    "catalogue",
    ("song_id",),
    SONG_ID,
    TRACK,
)
HISTORY = define(
    "history",
    "H_U: user and track played up to the date (PMRS Eq. 1)",
    "history",
    ("user_id", "track_id"),
    USER,
    TRACK,
    column("rating", REAL, "R_M: latest stars, else plays; +1 if liked; 0 if only skipped or blocked"),
    column("plays", LONG, "plays of at least 30 s or of unknown length"),
    column("liked", FLAG, "True if the latest like or unlike is a like"),
    optional("last_event_at", TIME, "time of the latest event, UTC; null: only a snapshot has the pair"),
)
ELIGIBLE_USERS = define(
    "eligible_users",
    "user who gets lists: every user with a history or a profile, without erased users",
    "history",
    ("user_id",),
    USER,
    column("n_seen", LONG, "number of tracks in the user's history"),
)
JOIN_DROPS = define(
    "join_drops",
    "join of the night and the number of rows that it dropped",
    "catalogue, history",
    ("step",),
    column("step", TEXT, "description of the join"),
    column("rows_in", LONG, "rows before the join"),
    column("rows_dropped", LONG, "rows without a match; they are not used"),
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
    "unseen track that the ranker scores for a user and a list",
    "candidates",
    ("user_id", "list", "track_id", "method"),
    USER,
    LIST,
    TRACK,
    column("method", TEXT, "method of the live ranker: pmrs_cf, als, als_mllib, ease, sparse_ease, item_knn, bpr or blend"),
    column("score", REAL, "PMRS score for this list, 0 to 1: genre_share x P(g|track) x percentile"),
    column("percentile", REAL, "s(u,c): share of the user's unseen tracks with a score of at most this track's, 0 to 1"),
    column("genre_share", REAL, "theta_u(g): share of the list's genre in the user's ratings, 0 to 1; 1 for overall"),
    optional("reason_track_id", TEXT, "track of the history that contributes most to the score; null: no track contributes"),
)
CONTENT_FACTORS = define(
    "content_factors",
    "track without plays, with factors predicted from its audio",
    "content",
    ("track_id",),
    TRACK,
    column("factors", VECTOR, "predicted factors, of length 1; their number is the live ranker's `rank`"),
)
CONTENT_CANDIDATES = define(
    "content_candidates",
    "track without plays, recommended to a user for the overall list by its audio",
    "content",
    ("user_id", "track_id"),
    USER,
    TRACK,
    column("score", REAL, "cosine of the user's factors and the track's predicted factors, 0 to 1"),
    optional("reason_track_id", TEXT, "track that the user likes with the most similar audio; null: no liked track has audio"),
)
CANDIDATE_FINGERPRINTS = define(
    "candidate_fingerprints",
    "user with candidates, and a hash of their inputs: users with equal inputs on the next night keep their candidates",
    "candidates",
    ("user_id",),
    USER,
    column("fingerprint", LONG, "64-bit hash of the seen tracks' indices and ratings"),
)
RANKED = define(
    "ranked",
    "item of a user's list",
    "rank",
    ("user_id", "list", "rank"),
    USER,
    LIST,
    column("rank", INT, "1-based rank"),
    TRACK,
    column("score", REAL, "PMRS score of the list, 0 to 1; comparable within one list and tier only"),
    column("source", TEXT, "source of the item: the live ranker's method, content, popular or genre_fallback"),
    column("tier", TEXT, "step that filled the rank: personal, cold_start (by audio, without plays), popular or fallback_unplayed"),
    column("why", TEXT, "reason, a sentence for the user"),
)
ERASURES = define(
    "erasures",
    "object that a deletion request changed; names no user (partition: the night of the change)",
    "erase",
    ("what", "date", "run_id", "at"),
    column("what", TEXT, "table or part (events/app_log), MongoDB collection, report, or models/NAME"),
    column("date", TEXT, "date of the partition, night or report, ISO; empty if it has none"),
    column("removed", LONG, "number of deleted rows, documents or models"),
    column("changed", LONG, "number of rows or documents that were kept without the reason, item or bytes that named a user"),
    column("run_id", TEXT, "run that made the change: `amended_by` of manifests and publications"),
    column("at", TIME, "time of the change, UTC"),
)
EVALUATION_QUERIES = define(
    "evaluation_queries",
    "query of an evaluation, and the ranks of relevant tracks in a model's list (part: split and model)",
    "evaluate",
    ("split", "model", "seed", "task", "query_id"),
    column("split", TEXT, "temporal, random, last or users"),
    column("protocol", TEXT, "training data and test queries, in a sentence: figures of equal protocols are comparable"),
    column("model", TEXT, "model, as `pmrs evaluate --models` names it"),
    column("task", TEXT, "discovery, re-listening, next track or rest of session"),
    column("query_id", TEXT, "user, or user, session and position"),
    USER,
    column("relevant", INT, "number of relevant tracks"),
    column("hit_ranks", ArrayType(INT), "1-based ranks (to 100) of relevant tracks, ascending; ties count against the model"),
    column("list_length", INT, "length of the list"),
    column("seed", INT, "seed of the training; 0 for a model without randomness"),
)
QUALITY = define(
    "quality",
    "metric of lists of the night before, evaluated on what their users first played on the day",
    "quality",
    ("model", "metric"),
    column("model", TEXT, "live (lists of the night before), popularity or popularity_window (baselines)"),
    column("metric", TEXT, "metric such as NDCG@20, defined in jobs/evaluate/metrics.py"),
    column("lists_date", TEXT, "date of the night before, whose lists and data are evaluated; ISO"),
    column("users", LONG, "number of users with lists who first played a track on the day"),
    column("mean", REAL, "mean over these users"),
    column("low", REAL, "lower end of the 95 % interval of `mean` (bootstrap over users)"),
    column("high", REAL, "upper end of the 95 % interval of `mean`"),
    optional("delta", REAL, "mean of the live lists minus mean of this model, paired by user; null for the live lists"),
    optional("delta_ci_low", REAL, "lower end of the 95 % interval of `delta`"),
    optional("delta_ci_high", REAL, "upper end of the 95 % interval of `delta`"),
)
GENRE_CONFIDENCE = define(
    "genre_confidence",
    "PMRS's confidence score of a genre's lists, on what their users first played on the day",
    "quality",
    ("model", "genre"),
    column("model", TEXT, "live (lists of the night before), or popularity (unseen tracks of the genre, most played first)"),
    column("genre", TEXT, "genre of the run's genre set, as of the night before"),
    column("lists_date", TEXT, "date of the night before, whose lists and data are evaluated; ISO"),
    column("users", LONG, "number of users with lists who first played a track of the genre on the day"),
    column("confidence", REAL, "mean share of the ten best rated of these tracks in the list's first ten ranks (PMRS Eq. 6)"),
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
