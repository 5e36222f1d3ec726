"""Generate artists, songs and tracks: every artist has one genre and at most one taste group."""

from dataclasses import dataclass, replace

from numpy.random import Generator

from jobs.sample import names
from jobs.sample.config import GENRES, SampleConfig
from jobs.sample.genre_patterns import GENRE_PATTERNS

TERMS = {
    "Breakbeat": ("breakbeat", "breaks", "big beat"),
    "Dancehall": ("dancehall", "ragga"),
    "Drum and bass": ("drum and bass", "jungle"),
    "Funky house": ("house", "funky house", "disco house"),
    "Hip Hop": ("hip hop", "rap"),
    "Rock": ("rock", "hard rock", "alternative rock"),
    "Trance": ("trance", "progressive trance", "hard trance"),
}
GENERAL_TERMS = (
    "electronic",
    "male vocalist",
    "90s",
    "seen live",
    "party music",
    "instrumental",
    "british",
    "underground",
)
LOCATIONS = (
    "Reykjavík, Iceland",
    "London, England",
    "Kingston, Jamaica",
    "São Paulo, Brazil",
    "Detroit, MI",
    "",
)


@dataclass(frozen=True)
class Artist:
    """An artist; `group` is -1 for an artist without a taste group."""

    artist_id: str
    mbid: str
    name: str
    genre: str
    group: int
    terms: tuple[str, ...]
    location: str
    hotness: float


@dataclass(frozen=True)
class Track:
    """One recording; two tracks may share a `song_id`."""

    track_id: str
    song_id: str
    artist: Artist
    title: str
    release: str
    seconds: float
    tempo: float
    loudness: float
    key: int
    year: int


@dataclass(frozen=True)
class Catalogue:
    """All tracks in a fixed order; `mismatched` are tracks whose song is another recording."""

    artists: list[Artist]
    tracks: list[Track]
    mismatched: list[Track]

    def of_group(self, group: int) -> list[int]:
        """Return the indices of a group's tracks."""
        return [i for i, track in enumerate(self.tracks) if track.artist.group == group]


def group_genres(group: int) -> tuple[str, str]:
    """Return a group's main and second genre: several groups share a genre and differ by artists."""
    main = group % len(GENRES)
    return GENRES[main], GENRES[(main + 2 + group // len(GENRES)) % len(GENRES)]


def make_artist(rng: Generator, name: str, genre: str, group: int) -> Artist:
    """Generate an artist; four in five have terms that name the genre, among others that do not."""
    genre_terms = rng.permutation(TERMS[genre])[: int(rng.integers(1, 3))].tolist() if rng.random() < 0.8 else []
    general_terms = rng.permutation(GENERAL_TERMS)[: int(rng.integers(0, 4))].tolist()
    location = LOCATIONS[rng.integers(len(LOCATIONS))]
    ids = names.msd_id(rng, "AR"), names.mbid(rng)
    return Artist(
        *ids,
        name,
        genre,
        group,
        tuple(sorted([*genre_terms, *general_terms])),
        location,
        round(float(rng.beta(2, 4)), 6),
    )


def make_artists(cfg: SampleConfig, rng: Generator) -> list[Artist]:
    """Generate each group's artists (three in five of its main genre), then those without a group, genre by genre."""
    genres_and_groups: list[tuple[str, int]] = []
    for group in range(cfg.groups):
        main, second = group_genres(group)
        genres_and_groups += [(main if i % 5 < 3 else second, group) for i in range(cfg.artists_per_group)]
    genres_and_groups += [(GENRES[i % len(GENRES)], -1) for i in range(cfg.other_artists)]
    artist_names = names.artist_names(rng, len(genres_and_groups))
    return [
        make_artist(rng, name, genre, group)
        for name, (genre, group) in zip(artist_names, genres_and_groups, strict=True)
    ]


def make_track(rng: Generator, artist: Artist) -> Track:
    """Generate a track with an Echo Nest-like analysis that fits its genre."""
    return Track(
        track_id=names.msd_id(rng, "TR"),
        song_id=names.msd_id(rng, "SO"),
        artist=artist,
        title=names.title(rng),
        release=names.title(rng),
        seconds=round(float(rng.uniform(120, 420)), 5),
        tempo=round(float(rng.uniform(*GENRE_PATTERNS[artist.genre].tempo)), 3),
        loudness=round(float(rng.normal(-9, 3)), 3),
        key=int(rng.integers(12)),
        year=int(rng.integers(1988, 2026)) if rng.random() < 0.7 else 0,
    )


def make_catalogue(cfg: SampleConfig) -> Catalogue:
    """Generate the catalogue of a seed."""
    rng = cfg.rng(1)
    artists = make_artists(cfg, rng)
    tracks = [make_track(rng, artist) for artist in artists for _ in range(cfg.tracks_per_artist)]
    grouped = cfg.groups * cfg.artists_per_group * cfg.tracks_per_artist
    for i in sorted(rng.choice(grouped, cfg.second_tracks, replace=False).tolist()):
        twin = replace(tracks[i], track_id=names.msd_id(rng, "TR"), release=names.title(rng))
        tracks.append(replace(twin, title=f"{twin.title} (Album Version)"))
    free = len(artists) * cfg.tracks_per_artist
    return Catalogue(artists, tracks, tracks[free - cfg.mismatched : free])
