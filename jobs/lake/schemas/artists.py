"""Tables of the artist level: similar tracks and artists, artists' radios, and users' mixes."""

from jobs.lake.schemas.columns import BOOLEAN, DOUBLE, INT, STRING, TRACK, USER, define_table, field, nullable_field

ARTIST_KEY = field("artist_id", STRING, "artist's id; `name:` and the name if no source has an id")
ARTIST_NAME = nullable_field(
    "artist", STRING, "artist's name: of several spellings that of most tracks; null: only the id is known"
)
RANK = field("rank", INT, "1-based rank")
COSINES = (
    nullable_field(
        "cos_collaborative",
        DOUBLE,
        "cosine of the two by the live ranker's factors, -1 to 1; null: one of them has none",
    ),
    nullable_field("cos_audio", DOUBLE, "cosine by audio descriptors, -1 to 1; null: one of them has none"),
    nullable_field("cos_genre", DOUBLE, "cosine by genre and artist terms, -1 to 1; null: one of them has none"),
    nullable_field(
        "cos_text",
        DOUBLE,
        "cosine by title, artist, release and tags, -1 to 1; null: one has no text, or no encoder is set",
    ),
)
TOP_MODALITY = field(
    "top_modality", STRING, "modality that contributes most to the score: collaborative, audio, genre or text"
)
SCORE = field(
    "score", DOUBLE, "similarity, 0 to 1: mean of the cosines, weighted by the job's settings; a null counts as 0"
)
WHY = field("why", STRING, "reason, a sentence for the user")

SIMILAR_TRACKS = define_table(
    "similar_tracks",
    "pair of similar tracks, both with factors or audio",
    "artists",
    ("track_id", "rank"),
    TRACK,
    RANK,
    field("similar_id", STRING, "similar track; never one of the same song"),
    SCORE,
    *COSINES,
    TOP_MODALITY,
    WHY,
)
SIMILAR_ARTISTS = define_table(
    "similar_artists",
    "pair of similar artists, both with a track in `similar_tracks`",
    "artists",
    ("artist_id", "rank"),
    ARTIST_KEY,
    ARTIST_NAME,
    RANK,
    field("similar_id", STRING, "id of the similar artist"),
    nullable_field("similar_artist", STRING, "name of the similar artist"),
    SCORE,
    *COSINES,
    TOP_MODALITY,
    WHY,
)
ARTIST_RADIO = define_table(
    "artist_radio",
    "track on an artist's radio: the artist's tracks and those of similar artists, alternating",
    "artists",
    ("artist_id", "rank"),
    ARTIST_KEY,
    ARTIST_NAME,
    RANK,
    TRACK,
    field("score", DOUBLE, "similarity of the track's artist and the radio's artist, 0 to 1; 1: the same artist"),
    WHY,
)
DAILY_MIXES = define_table(
    "daily_mixes",
    "track in one of a user's mixes; a mix is a cluster of liked tracks with similar new ones",
    "artists",
    ("user_id", "list", "rank"),
    USER,
    field(
        "list",
        STRING,
        "theme of the mix: its genre, else its artist's name, else `Mix` and its number; unique per user",
    ),
    field("mix", INT, "1-based number of the mix; the mix with most liked tracks is first"),
    nullable_field(
        "anchor_artist",
        STRING,
        "artist after whom the mix is named, which the job `erase` reads; null: named after no artist",
    ),
    RANK,
    TRACK,
    field("score", DOUBLE, "similarity to the centre of the mix's liked tracks, 0 to 1"),
    field("seen", BOOLEAN, "True for a liked track; False for a track that the user has not seen"),
    nullable_field("reason_track_id", STRING, "most similar liked track of the mix; null for a liked track"),
    nullable_field("top_modality", STRING, "modality that contributes most to that similarity; null for a liked track"),
    WHY,
)
TABLES = (SIMILAR_TRACKS, SIMILAR_ARTISTS, ARTIST_RADIO, DAILY_MIXES)
