"""Settings of the artist level, for all its parts."""

from dataclasses import dataclass

from pydantic import PositiveInt

from jobs.job_config import NonNegative, Positive
from jobs.lake.feature_sets import FeatureChoice


@dataclass(frozen=True)
class ArtistsConfig:
    """Weights of the similarity, lengths of the lists, and limits of a mix."""

    collaborative: NonNegative = 2.0
    """Weight of the live model's factors, that is of who plays a track.

    Twice that of each other modality: with many users, it is the best evidence of similarity."""
    audio: NonNegative = 1.0
    """Weight of the audio features."""
    audio_features: FeatureChoice = "both"
    """Audio features: descriptors, embeddings (of the pretrained network), or both. Of a GTZAN clip's five nearest others,
    0.48, 0.73 and 0.76 have its genre. Without embeddings, descriptors are used."""
    genre: NonNegative = 1.0
    """Weight of genre and artist terms."""
    text: NonNegative = 1.0
    """Weight of title, artist, release and tags, as encoded by the job text_vectors. 0: texts are not read.

    Without an encoder there are none. They are left out if the driver cannot hold them in addition (from about
    150,000 tracks on)."""
    terms: int = 64
    """Number of artist terms, the commonest; few artists share a rarer one, and each term costs 4 bytes per track."""
    neighbors: int = 20
    """Neighbors of each track and of each artist: a page. 0: no artist level; its tables are empty."""
    min_similarity: NonNegative = 0.1
    """Minimum similarity of neighbors; two random tracks, or artists, have 0 on average."""
    reason_min_cosine: NonNegative = 0.3
    """Minimum cosine of a modality that a reason names besides the top modality."""
    per_artist: int = 3
    """Maximum number of tracks of one artist on a radio."""
    radio: int = 30
    """Number of tracks of a radio: about two hours."""
    min_rating: Positive = 1.0
    """Rating from which a user likes a track, and counts for its popularity: one play, as in the rankers."""
    mixes: PositiveInt = 4
    """Maximum number of a user's mixes: few enough to distinguish at a glance."""
    min_likes_per_mix: PositiveInt = 6
    """Liked tracks required per mix; a user with fewer has no mix, because a cluster of two or three is chance."""
    max_likes: PositiveInt = 500
    """Maximum number of a user's liked tracks that are used, the best rated: no user delays a task."""
    known_per_mix: int = 8
    """Maximum number of liked tracks in a mix."""
    new_per_mix: int = 12
    """Maximum number of unseen tracks in a mix: with the liked ones 20, an hour and a quarter."""
    seed: int = 7
    """Seed of the initial cluster centres."""
    per_task: PositiveInt = 4_096
    """Tracks, artists or users per task: a few seconds' work with some hundred thousand tracks."""
