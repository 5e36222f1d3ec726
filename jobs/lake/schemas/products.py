"""Tables that the pipeline computes from the sources: catalogue, history, collaborative, lists."""

from pyspark.sql.types import ArrayType, StructField

from jobs.lake.schemas.columns import (
    BOOLEAN,
    DOUBLE,
    FLOAT_ARRAY,
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
)

LIST = field("list", STRING, "overall, or a genre of the run's genre set")


def _factors(of: str) -> StructField:
    return field(
        "factors", FLOAT_ARRAY, f"latent factors of the {of}, unitless; their number is the live ranker's `rank`"
    )


TRACKS = define_table(
    "tracks",
    "track that may be recommended, merged from all sources",
    "catalogue",
    ("track_id",),
    TRACK,
    SONG,
    nullable_field("title", STRING, "track title"),
    nullable_field("artist_id", STRING, "MSD artist (AR...), or the id of another source, prefixed with its namespace"),
    nullable_field("artist", STRING, "artist name"),
    field("has_audio", BOOLEAN, "True if the track has an audio file"),
    nullable_field("label_genre", STRING, "genre by annotation, from the run's genre set"),
    nullable_field("label_genres", ArrayType(STRING), "all genres by annotation, in the order of the genre set"),
    nullable_field("terms_genre", STRING, "genre by vote of the artist's terms, from the run's genre set"),
    field("origin", STRING, "source of the track: catalogue, audio or plays"),
)
SONG_TRACKS = define_table(
    "song_tracks",
    "song and the track that represents it: the first track by id that is not a published mismatch",
    "catalogue",
    ("song_id",),
    SONG_ID,
    TRACK,
)
HISTORY = define_table(
    "history",
    "H_U: user and track played up to the date (PMRS Eq. 1)",
    "history",
    ("user_id", "track_id"),
    USER,
    TRACK,
    field("rating", DOUBLE, "R_M: latest stars, else plays; +1 if liked; 0 if only skipped or blocked"),
    field("plays", LONG, "plays of at least 30 s or of unknown length"),
    field("liked", BOOLEAN, "True if the latest like or unlike is a like"),
    nullable_field("last_event_at", TIMESTAMP, "time of the latest event, UTC; null: only a snapshot has the pair"),
)
ELIGIBLE_USERS = define_table(
    "eligible_users",
    "user who gets lists: every user with a history or a profile, without erased users",
    "history",
    ("user_id",),
    USER,
    field("n_seen", LONG, "number of tracks in the user's history"),
)
JOIN_DROPS = define_table(
    "join_drops",
    "join of the night and the number of rows that it dropped",
    "catalogue, history",
    ("step",),
    field("step", STRING, "description of the join"),
    field("rows_in", LONG, "rows before the join"),
    field("rows_dropped", LONG, "rows without a match; they are not used"),
)
ITEM_FACTORS = define_table(
    "item_factors",
    "factors of a track",
    "collaborative",
    ("track_id",),
    TRACK,
    _factors("track"),
)
USER_FACTORS = define_table(
    "user_factors",
    "factors of a user",
    "collaborative",
    ("user_id",),
    USER,
    _factors("user"),
)
CANDIDATES = define_table(
    "candidates",
    "unseen track that the ranker scores for a user and a list",
    "candidates",
    ("user_id", "list", "track_id", "method"),
    USER,
    LIST,
    TRACK,
    field(
        "method",
        STRING,
        "method of the live ranker: pmrs_cf, als, als_mllib, ease, sparse_ease, item_knn, bpr or blend",
    ),
    field("score", DOUBLE, "PMRS score for this list, 0 to 1: genre_share x P(g|track) x percentile"),
    field(
        "percentile", DOUBLE, "s(u,c): share of the user's unseen tracks with a score of at most this track's, 0 to 1"
    ),
    field("genre_share", DOUBLE, "theta_u(g): share of the list's genre in the user's ratings, 0 to 1; 1 for overall"),
    nullable_field(
        "reason_track_id", STRING, "track of the history that contributes most to the score; null: no track contributes"
    ),
)
CONTENT_FACTORS = define_table(
    "content_factors",
    "track without plays, with factors predicted from its audio",
    "content",
    ("track_id",),
    TRACK,
    field("factors", FLOAT_ARRAY, "predicted factors, of length 1; their number is the live ranker's `rank`"),
)
CONTENT_CANDIDATES = define_table(
    "content_candidates",
    "track without plays, recommended to a user for the overall list by its audio",
    "content",
    ("user_id", "track_id"),
    USER,
    TRACK,
    field("score", DOUBLE, "cosine of the user's factors and the track's predicted factors, 0 to 1"),
    nullable_field(
        "reason_track_id",
        STRING,
        "track that the user likes with the most similar audio; null: no liked track has audio",
    ),
)
CANDIDATE_FINGERPRINTS = define_table(
    "candidate_fingerprints",
    "user with candidates, and a hash of their inputs: users with equal inputs on the next night keep their candidates",
    "candidates",
    ("user_id",),
    USER,
    field("fingerprint", LONG, "64-bit hash of the seen tracks' indices and ratings"),
)
RANKED = define_table(
    "ranked",
    "item of a user's list",
    "rank",
    ("user_id", "list", "rank"),
    USER,
    LIST,
    field("rank", INT, "1-based rank"),
    TRACK,
    field("score", DOUBLE, "PMRS score of the list, 0 to 1; comparable within one list and tier only"),
    field("source", STRING, "source of the item: the live ranker's method, content, popular or genre_fallback"),
    field(
        "tier",
        STRING,
        "step that filled the rank: personal, cold_start (by audio, without plays), popular or fallback_unplayed",
    ),
    field("why", STRING, "reason, a sentence for the user"),
)
ERASURES = define_table(
    "erasures",
    "object that a deletion request changed; names no user (partition: the night of the change)",
    "erase",
    ("what", "date", "run_id", "at"),
    field("what", STRING, "table or part (events/app_log), MongoDB collection, report, or models/NAME"),
    field("date", STRING, "date of the partition, night or report, ISO; empty if it has none"),
    field("removed", LONG, "number of deleted rows, documents or models"),
    field(
        "changed",
        LONG,
        "number of rows or documents that were kept without the reason, item or bytes that named a user",
    ),
    field("run_id", STRING, "run that made the change: `amended_by` of manifests and publications"),
    field("at", TIMESTAMP, "time of the change, UTC"),
)
EVALUATION_QUERIES = define_table(
    "evaluation_queries",
    "query of an evaluation, and the ranks of relevant tracks in a model's list (part: split and model)",
    "evaluate",
    ("split", "model", "seed", "task", "query_id"),
    field("split", STRING, "temporal, random, last or users"),
    field(
        "protocol", STRING, "training data and test queries, in a sentence: figures of equal protocols are comparable"
    ),
    field("model", STRING, "model, as `pmrs evaluate --models` names it"),
    field("task", STRING, "discovery, re-listening, next track or rest of session"),
    field("query_id", STRING, "user, or user, session and position"),
    USER,
    field("relevant", INT, "number of relevant tracks"),
    field(
        "hit_ranks",
        ArrayType(INT),
        "1-based ranks (to 100) of relevant tracks, ascending; ties count against the model",
    ),
    field("list_length", INT, "length of the list"),
    field("seed", INT, "seed of the training; 0 for a model without randomness"),
)
QUALITY = define_table(
    "quality",
    "metric of lists of the night before, evaluated on what their users first played on the day",
    "quality",
    ("model", "metric"),
    field("model", STRING, "live (lists of the night before), popularity or popularity_window (baselines)"),
    field("metric", STRING, "metric such as NDCG@20, defined in jobs/evaluate/metrics.py"),
    field("lists_date", STRING, "date of the night before, whose lists and data are evaluated; ISO"),
    field("users", LONG, "number of users with lists who first played a track on the day"),
    field("mean", DOUBLE, "mean over these users"),
    field("low", DOUBLE, "lower end of the 95 % interval of `mean` (bootstrap over users)"),
    field("high", DOUBLE, "upper end of the 95 % interval of `mean`"),
    nullable_field(
        "delta", DOUBLE, "mean of the live lists minus mean of this model, paired by user; null for the live lists"
    ),
    nullable_field("delta_ci_low", DOUBLE, "lower end of the 95 % interval of `delta`"),
    nullable_field("delta_ci_high", DOUBLE, "upper end of the 95 % interval of `delta`"),
)
GENRE_CONFIDENCE = define_table(
    "genre_confidence",
    "PMRS's confidence score of a genre's lists, on what their users first played on the day",
    "quality",
    ("model", "genre"),
    field(
        "model",
        STRING,
        "live (lists of the night before), or popularity (unseen tracks of the genre, most played first)",
    ),
    field("genre", STRING, "genre of the run's genre set, as of the night before"),
    field("lists_date", STRING, "date of the night before, whose lists and data are evaluated; ISO"),
    field("users", LONG, "number of users with lists who first played a track of the genre on the day"),
    field(
        "confidence",
        DOUBLE,
        "mean share of the ten best rated of these tracks in the list's first ten ranks (PMRS Eq. 6)",
    ),
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
