"""Choose a user's next track: from the group, the favourite artist or genre, a hot wave, or anywhere."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from jobs.sample.audio_plan import AudioPlan
from jobs.sample.catalogue import Catalogue
from jobs.sample.config import SampleConfig
from jobs.sample.users import User

WAVE_DAYS = 3
WAVE_SHARE = 0.06  # fraction of all plays while a wave lasts


@dataclass(frozen=True)
class HotWave:
    """A track that everybody plays for three days."""

    track: int
    first_day: int


@dataclass(frozen=True)
class Pool:
    """Tracks to choose from, with different probabilities."""

    tracks: NDArray[np.int64]
    cumulative: NDArray[np.float64]

    def pick(self, rng: Generator) -> int:
        """Return the index of a track in the catalogue."""
        return int(self.tracks[np.searchsorted(self.cumulative, rng.random(), side="right")])


@dataclass(frozen=True)
class Tastes:
    """All pools and rules of choice; `follows` maps a track to the one that is played after it."""

    groups: list[Pool]
    artists: dict[str, Pool]
    sounds: dict[str, Pool]
    anywhere: Pool
    waves: list[HotWave]
    follows: dict[int, int]


def make_pool(tracks: list[int], rng: Generator, skew: float) -> Pool:
    """Return a pool whose popularity decreases with rank^-skew, with random ranks."""
    weights = (1.0 + rng.permutation(len(tracks))) ** -skew
    cumulative = np.cumsum(weights / weights.sum())
    cumulative[-1] = 1.0
    return Pool(np.array(tracks, dtype=np.int64), cumulative)


def make_tastes(cfg: SampleConfig, catalogue: Catalogue, plan: AudioPlan) -> Tastes:
    """Return the pools of a seed, without the tracks that must not be played."""
    rng = cfg.rng(6)
    never = plan.unplayed | {track.track_id for track in catalogue.mismatched}
    playable = [i for i, track in enumerate(catalogue.tracks) if track.track_id not in never]
    by_artist: dict[str, list[int]] = {}
    for i in playable:
        by_artist.setdefault(catalogue.tracks[i].artist.artist_id, []).append(i)
    allowed = set(playable)
    groups = [[i for i in catalogue.of_group(g) if i in allowed] for g in range(cfg.groups)]
    with_audio = {file.track_id: file.genre for file in plan.good}
    sounds: dict[str, list[int]] = {}
    for i in playable:
        genre = with_audio.get(catalogue.tracks[i].track_id)
        if genre:
            sounds.setdefault(genre, []).append(i)
    return Tastes(
        groups=[make_pool(tracks, rng, 0.6) for tracks in groups],
        artists={artist: make_pool(tracks, rng, 0.3) for artist, tracks in by_artist.items()},
        sounds={genre: make_pool(tracks, rng, 0.3) for genre, tracks in sounds.items()},
        anywhere=make_pool(playable, rng, 0.4),
        waves=make_waves(cfg, catalogue, allowed, rng),
        follows=make_pairs(cfg, groups, rng),
    )


def make_waves(cfg: SampleConfig, catalogue: Catalogue, allowed: set[int], rng: Generator) -> list[HotWave]:
    """Return hot waves of tracks without a group, spread over the days."""
    free = [i for i, track in enumerate(catalogue.tracks) if track.artist.group < 0 and i in allowed]
    tracks = rng.choice(free, cfg.hot_waves, replace=False).tolist()
    room = max(1, cfg.days - WAVE_DAYS)
    return [HotWave(track, (2 + n * room // cfg.hot_waves) % room) for n, track in enumerate(tracks)]


def make_pairs(cfg: SampleConfig, groups: list[list[int]], rng: Generator) -> dict[int, int]:
    """Choose pairs of tracks in each group, of which the second is likely to follow the first; no track is in two
    pairs.
    """
    follows: dict[int, int] = {}
    for tracks in groups:
        pairs = rng.choice(tracks, 2 * cfg.pairs_per_group, replace=False).tolist()
        follows |= dict(zip(pairs[::2], pairs[1::2], strict=True))
    return follows


def next_track(cfg: SampleConfig, tastes: Tastes, user: User, day: int, previous: int, rng: Generator) -> int:
    """Return the index of the track that `user` plays after `previous` (-1 at a session's start)."""
    if previous in tastes.follows and rng.random() < cfg.pair_chance:
        return tastes.follows[previous]
    hot = [wave.track for wave in tastes.waves if wave.first_day <= day < wave.first_day + WAVE_DAYS]
    if hot and rng.random() < WAVE_SHARE:
        return hot[rng.integers(len(hot))]
    return usual_track(cfg, tastes, user, rng)


def usual_track(cfg: SampleConfig, tastes: Tastes, user: User, rng: Generator) -> int:
    """Choose by taste alone; the older play counts are generated in the same way."""
    if user.favourite_artist and user.favourite_artist.artist_id in tastes.artists and rng.random() < 0.5:
        return tastes.artists[user.favourite_artist.artist_id].pick(rng)
    if user.favourite_genre in tastes.sounds and rng.random() < 0.5:
        return tastes.sounds[user.favourite_genre].pick(rng)
    if rng.random() < cfg.loyalty:
        return tastes.groups[user.group].pick(rng)
    return tastes.anywhere.pick(rng)
