"""What is settled about the artist level, for all its parts."""

from dataclasses import dataclass, fields

from jobs.errors import SourceError


@dataclass(frozen=True)
class Config:
    """How near is reckoned, how many are told, and what makes a mix."""

    collaborative: float = 2.0
    """Weight of who hears a thing (the live model's factors). Twice that of each other way: where many listen, nothing says more
    of what goes together."""
    audio: float = 1.0
    """Weight of descriptors of audio."""
    genre: float = 1.0
    """Weight of genre and artist's terms."""
    text: float = 1.0
    """Weight of title, artist, release and tags as the encoder of the job text_vectors reads them; without an encoder they have
    none, and where they are more than the driver may hold beside the rest (some 150,000 tracks) they are left out. 0: they are not
    looked at."""
    terms: int = 64
    """Artist terms that are looked at, the commonest; rarer ones are shared by few artists, and each costs 4 bytes a track."""
    neighbours: int = 20
    """Neighbours of each track and of each artist: a page; 0: there is no artist level, and its tables are empty."""
    min_similarity: float = 0.1
    """Likeness below which nothing is called similar; two things drawn at random have 0."""
    reason_min_cosine: float = 0.3
    """Cosine from which a way of being alike is named beside the one that carries most."""
    per_artist: int = 3
    """Tracks of one artist on a radio."""
    radio: int = 30
    """Tracks of a radio: about two hours."""
    min_rating: float = 1.0
    """Rating from which a track is liked, and a listener counts for it: one play, as the recipes have it."""
    mixes: int = 4
    """Most mixes of a user; their themes are told apart at a glance."""
    min_likes_per_mix: int = 6
    """Liked tracks that a user must have for each mix; with fewer for one, a user has none: a cluster of two or three is chance."""
    max_likes: int = 500
    """Liked tracks that are looked at, the best rated: nobody holds up a task."""
    known_per_mix: int = 8
    """Most tracks of a mix that the user likes already."""
    new_per_mix: int = 12
    """Most tracks of a mix that the user has not heard: with the favourites 20, an hour and a quarter."""
    seed: int = 7
    """Of the clusters' first middles."""
    per_task: int = 4_096
    """Tracks or artists, and users, that a task takes: a few seconds' work in a catalogue of some hundred thousand tracks."""

    def check(self) -> None:
        """Raise SourceError for a setting that is too small."""
        lower_bounds = {"min_likes_per_mix": 1, "mixes": 1, "max_likes": 1, "per_task": 1}
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if value < lower_bounds.get(name, 0) or (name == "min_rating" and value <= 0):
                raise SourceError(f"[jobs.artists] {name} = {value} is too small; neighbours = 0 turns the artist level off.")
