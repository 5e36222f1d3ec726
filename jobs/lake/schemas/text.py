"""Tables computed from texts about tracks and users.

Vectors of tracks are cached by content (jobs/content_cache.py): a text that any night has encoded is not encoded again.
Vectors of users are rows of the users, and are copied from the previous night.
"""

from jobs.lake.schemas.audio import PRODUCER_VERSION
from jobs.lake.schemas.columns import FLOAT_ARRAY, STRING, TRACK, USER, define_table, field

TEXT_HASH = field("content_hash", STRING, "SHA-256 (hex) of the text in UTF-8")

TEXT_VECTORS = define_table(
    "text_vectors",
    "text about tracks, encoded by a BERT encoder, once for all nights; `track_texts` maps tracks to texts",
    "text_vectors",
    ("content_hash", "producer_version"),
    TEXT_HASH,
    PRODUCER_VERSION,
    field("vector", FLOAT_ARRAY, "mean over the text's tokens, scaled to length 1; unitless"),
)
TRACK_TEXTS = define_table(
    "track_texts",
    "track and the text about it",
    "text_vectors",
    ("track_id",),
    TRACK,
    field("text", STRING, "title, artist, release and tags, each followed by a full stop"),
    TEXT_HASH,
    PRODUCER_VERSION,
)
USER_TEXTS = define_table(
    "user_texts",
    "user with a text about the profile; only users whose profile has data",
    "text_vectors",
    ("user_id",),
    USER,
    field("text", STRING, "gender, age in decades, country"),
    TEXT_HASH,
    PRODUCER_VERSION,
    field(
        "vector",
        FLOAT_ARRAY,
        "vector of the text, as in `text_vectors`; stored per user, so that erasing the user erases it",
    ),
)
TABLES = (TEXT_VECTORS, TRACK_TEXTS, USER_TEXTS)
