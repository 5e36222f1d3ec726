"""Tables made of texts about tracks and users.

Vectors of tracks are cached by content (jobs/content_cache.py): a text that any night has encoded is not encoded again.
Vectors of users are rows of the users, and are copied from the previous night.
"""

from jobs.lake.schemas.audio import PRODUCER_VERSION
from jobs.lake.schemas.columns import TEXT, TRACK, USER, VECTOR, column, define

OF_TEXT = column("content_hash", TEXT, "SHA-256 (hex) of the text in UTF-8")

TEXT_VECTORS = define(
    "text_vectors",
    "what is written about a track as a BERT encoder reads it, once for all nights; of which track, track_texts says",
    "text_vectors",
    ("content_hash", "producer_version"),
    OF_TEXT,
    PRODUCER_VERSION,
    column("vector", VECTOR, "mean over the text's tokens, made 1 long; unitless"),
)
TRACK_TEXTS = define(
    "track_texts",
    "track with what is written about it",
    "text_vectors",
    ("track_id",),
    TRACK,
    column("text", TEXT, "title, artist, release and tags; a full stop after each"),
    OF_TEXT,
    PRODUCER_VERSION,
)
USER_TEXTS = define(
    "user_texts",
    "user with the profile in words; nobody of whom no profile says anything",
    "text_vectors",
    ("user_id",),
    USER,
    column("text", TEXT, "gender, age in tens of years, country"),
    OF_TEXT,
    PRODUCER_VERSION,
    column("vector", VECTOR, "of the text, as in text_vectors; kept with the user, so that it goes with the user"),
)
TABLES = (TEXT_VECTORS, TRACK_TEXTS, USER_TEXTS)
