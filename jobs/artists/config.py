"""Settings of the artist level, for all its parts."""

from dataclasses import dataclass, fields

from jobs.errors import SourceError


@dataclass(frozen=True)
class ArtistsConfig:
    """Weights of the similarity, lengths of the lists, and limits of a mix."""

    collaborative: float = 2.0
    """Weight of the live model's factors, that is of who plays a track.

    Twice that of each other modality: with many users, it is the best evidence of similarity."""
    audio: float = 1.0
    """Weight of audio descriptors."""
    genre: float = 1.0
    """Weight of genre and artist terms."""
    text: float = 1.0
    """Weight of title, artist, release and tags, as encoded by the job text_vectors. 0: texts are not read.

    Without an encoder there are none. They are left out if the driver cannot hold them in addition (from about
    150,000 tracks on)."""
    terms: int = 64
    """Number of artist terms, the commonest; few artists share a rarer one, and each term costs 4 bytes per track."""
    neighbors: int = 20
    """Neighbors of each track and of each artist: a page. 0: no artist level; its tables are empty."""
    min_similarity: float = 0.1
    """Minimum similarity of neighbors; two random tracks, or artists, have 0 on average."""
    reason_min_cosine: float = 0.3
    """Minimum cosine of a modality that a reason names besides the top modality."""
    per_artist: int = 3
    """Maximum number of tracks of one artist on a radio."""
    radio: int = 30
    """Number of tracks of a radio: about two hours."""
    min_rating: float = 1.0
    """Rating from which a user likes a track, and counts for its popularity: one play, as in the rankers."""
    mixes: int = 4
    """Maximum number of a user's mixes: few enough to distinguish at a glance."""
    min_likes_per_mix: int = 6
    """Liked tracks required per mix; a user with fewer has no mix, because a cluster of two or three is chance."""
    max_likes: int = 500
    """Maximum number of a user's liked tracks that are used, the best rated: no user delays a task."""
    known_per_mix: int = 8
    """Maximum number of liked tracks in a mix."""
    new_per_mix: int = 12
    """Maximum number of unseen tracks in a mix: with the liked ones 20, an hour and a quarter."""
    seed: int = 7
    """Seed of the initial cluster centres."""
    per_task: int = 4_096
    """Tracks, artists or users per task: a few seconds' work with some hundred thousand tracks."""

    def check(self) -> None:
        """Raise SourceError for a setting that is too small."""
        lower_bounds = {"min_likes_per_mix": 1, "mixes": 1, "max_likes": 1, "per_task": 1}
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if value < lower_bounds.get(name, 0) or (name == "min_rating" and value <= 0):
                raise SourceError(f"[jobs.artists] {name} = {value} is too small; neighbors = 0 turns the artist level off.")
