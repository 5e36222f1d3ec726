"""Tables of the artist level: similar tracks and artists, artists' radios, and users' mixes."""

from jobs.lake.schemas.columns import FLAG, INT, REAL, TEXT, TRACK, USER, column, define, optional

ARTIST_KEY = column("artist_id", TEXT, "artist's id; `name:` and the name if no source has an id")
ARTIST_NAME = optional("artist", TEXT, "artist's name: of several spellings that of most tracks; null: only the id is known")
RANK = column("rank", INT, "1-based rank")
COSINES = (
    optional("cos_collaborative", REAL, "cosine of the two by the live ranker's factors, -1 to 1; null: one of them has none"),
    optional("cos_audio", REAL, "cosine by audio descriptors, -1 to 1; null: one of them has none"),
    optional("cos_genre", REAL, "cosine by genre and artist terms, -1 to 1; null: one of them has none"),
    optional("cos_text", REAL, "cosine by title, artist, release and tags, -1 to 1; null: one has no text, or no encoder is set"),
)
TOP_MODALITY = column("top_modality", TEXT, "modality that contributes most to the score: collaborative, audio, genre or text")
SCORE = column("score", REAL, "similarity, 0 to 1: mean of the cosines, weighted by the job's settings; a null counts as 0")
WHY = column("why", TEXT, "reason, a sentence for the user")

SIMILAR_TRACKS = define(
    "similar_tracks",
    "pair of similar tracks, both with factors or audio",
    "artists",
    ("track_id", "rank"),
    TRACK,
    RANK,
    column("similar_id", TEXT, "similar track; never one of the same song"),
    SCORE,
    *COSINES,
    TOP_MODALITY,
    WHY,
)
SIMILAR_ARTISTS = define(
    "similar_artists",
    "pair of similar artists, both with a track in `similar_tracks`",
    "artists",
    ("artist_id", "rank"),
    ARTIST_KEY,
    ARTIST_NAME,
    RANK,
    column("similar_id", TEXT, "id of the similar artist"),
    optional("similar_artist", TEXT, "name of the similar artist"),
    SCORE,
    *COSINES,
    TOP_MODALITY,
    WHY,
)
ARTIST_RADIO = define(
    "artist_radio",
    "track on an artist's radio: the artist's tracks and those of similar artists, alternating",
    "artists",
    ("artist_id", "rank"),
    ARTIST_KEY,
    ARTIST_NAME,
    RANK,
    TRACK,
    column("score", REAL, "similarity of the track's artist and the radio's artist, 0 to 1; 1: the same artist"),
    WHY,
)
DAILY_MIXES = define(
    "daily_mixes",
    "track in one of a user's mixes; a mix is a cluster of liked tracks with similar new ones",
    "artists",
    ("user_id", "list", "rank"),
    USER,
    column("list", TEXT, "theme of the mix: its genre, else its artist's name, else `Mix` and its number; unique per user"),
    column("mix", INT, "1-based number of the mix; the mix with most liked tracks is first"),
    optional("anchor_artist", TEXT, "artist after whom the mix is named, which the job `erase` reads; null: named after no artist"),
    RANK,
    TRACK,
    column("score", REAL, "similarity to the centre of the mix's liked tracks, 0 to 1"),
    column("seen", FLAG, "True for a liked track; False for a track that the user has not seen"),
    optional("reason_track_id", TEXT, "most similar liked track of the mix; null for a liked track"),
    optional("top_modality", TEXT, "modality that contributes most to that similarity; null for a liked track"),
    WHY,
)
TABLES = (SIMILAR_TRACKS, SIMILAR_ARTISTS, ARTIST_RADIO, DAILY_MIXES)
