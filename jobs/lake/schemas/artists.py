"""Tables of the artist level: similar tracks and artists, an artist's radio, a user's mixes."""

from jobs.lake.schemas.columns import FLAG, INT, REAL, TEXT, TRACK, USER, column, define, optional

ARTIST_KEY = column("artist_id", TEXT, "artist's id; `name:` and the name where no source gives an id")
ARTIST_NAME = optional("artist", TEXT, "artist's name: of several spellings the one of most tracks; null: only the id is known")
RANK = column("rank", INT, "1-based rank")
COSINES = (
    optional("cos_collaborative", REAL, "cosine of the two by the live model's factors, -1 to 1; null: one of them has none"),
    optional("cos_audio", REAL, "the same by descriptors of audio"),
    optional("cos_genre", REAL, "the same by genre and the artist's terms"),
    optional("cos_text", REAL, "the same by title, artist, release and tags, where the job `text_vectors` has an encoder"),
)
CARRIED_BY = column("top_modality", TEXT, "collaborative, audio, genre or text: what most of the score comes from")
SCORE = column("score", REAL, "likeness, 0 to 1: mean of the cosines by the job's weights, 0 for what is null")
WHY = column("why", TEXT, "the reason, in words")

SIMILAR_TRACKS = define(
    "similar_tracks",
    "track that is near another one, of those with factors or audio",
    "artists",
    ("track_id", "rank"),
    TRACK,
    RANK,
    column("similar_id", TEXT, "track that is near it; never one of the same song"),
    SCORE,
    *COSINES,
    CARRIED_BY,
    WHY,
)
SIMILAR_ARTISTS = define(
    "similar_artists",
    "artist that is near another one, of those with a track in `similar_tracks`",
    "artists",
    ("artist_id", "rank"),
    ARTIST_KEY,
    ARTIST_NAME,
    RANK,
    column("similar_id", TEXT, "artist that is near it"),
    optional("similar_artist", TEXT, "that artist's name"),
    SCORE,
    *COSINES,
    CARRIED_BY,
    WHY,
)
ARTIST_RADIO = define(
    "artist_radio",
    "track on an artist's radio: the artist's own and those of similar artists, in turn",
    "artists",
    ("artist_id", "rank"),
    ARTIST_KEY,
    ARTIST_NAME,
    RANK,
    TRACK,
    column("score", REAL, "likeness of the track's artist and the radio's, 0 to 1; 1: its own"),
    WHY,
)
DAILY_MIXES = define(
    "daily_mixes",
    "track in one of a user's mixes, each of which is a cluster of what the user likes",
    "artists",
    ("user_id", "list", "rank"),
    USER,
    column("list", TEXT, "the mix's theme: its genre, else its artist's name, else `Mix` and its number; one mix of each"),
    column("mix", INT, "1-based number of the mix, the one of most liked tracks first"),
    optional("anchor_artist", TEXT, "artist whose name the mix bears, by which `forget` finds it; null: it bears none"),
    RANK,
    TRACK,
    column("score", REAL, "nearness to the middle of the mix's liked tracks, 0 to 1"),
    column("seen", FLAG, "one of the user's liked tracks; else one that the user has not heard"),
    optional("reason_track_id", TEXT, "liked track of the mix that is nearest; null: the track is a liked one itself"),
    optional("top_modality", TEXT, "collaborative, audio, genre or text: what makes that one near; null: the track is a liked one"),
    WHY,
)
TABLES = (SIMILAR_TRACKS, SIMILAR_ARTISTS, ARTIST_RADIO, DAILY_MIXES)
