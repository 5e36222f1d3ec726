"""Size of the sample, and error rates in it."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.random import Generator

GENRES = ("Breakbeat", "Dancehall", "Drum and bass", "Funky house", "Hip Hop", "Rock", "Trance")
"""PMRS section III, in the order of the genre set `pmrs7`."""

LAST_DATE = date(2026, 11, 14)
"""The sample's last night: constant, so that the data does not depend on the day it is generated."""


@dataclass(frozen=True)
class SampleConfig:
    """Sizes and rates. The defaults are those of `pmrs sample`; tests use smaller ones."""

    days: int = 14
    seed: int = 7
    groups: int = 10  # taste groups, of equal size: with few global hits a popularity list finds a tenth of a taste
    users_per_group: int = 60
    artists_per_group: int = 26
    other_artists: int = 40  # without a group: long tail, hot waves, mismatched pairs
    tracks_per_artist: int = 10
    second_tracks: int = 20  # songs that have a second track, as thousands in the MSD do
    sessions_per_day: float = 0.95  # of a user, on average
    session_tracks: float = 9.0
    loyalty: float = 0.8  # fraction of plays inside the user's group
    artist_followers: int = 30
    genre_followers: int = 40  # users who follow one genre across the groups
    pairs_per_group: int = 12  # track A, then track B, inside a session
    pair_chance: float = 0.7
    hot_waves: int = 4
    deleted_users: int = 6
    deleted_pairs: int = 8
    profile_share: float = 0.7  # of users who have older play counts (Taste Profile)
    duplicates: float = 0.005  # of log lines, received twice
    late: float = 0.004  # received 1 or 2 days after the play: counted
    too_late: float = 0.001  # received 5 to 7 days after: not counted
    garbage: float = 0.004  # far under the 5 % at which a night stops
    audio_tracks: int = 240
    audio_seconds: float = 12.0
    long_audio: int = 6  # of 35 s, for the preset of 30 s
    unplayed_audio: int = 35
    broken_audio: int = 5
    held_out: float = 0.2  # of each genre's audio tracks have no label in genres.cls
    mismatched: int = 8
    processes: int = 2  # for the audio

    @property
    def first_date(self) -> date:
        """Date of the first night."""
        return LAST_DATE - timedelta(days=self.days - 1)

    @property
    def users(self) -> int:
        """Number of users."""
        return self.groups * self.users_per_group

    def rng(self, *stage: int) -> Generator:
        """Return the random generator of one stage: a change in one stage does not affect the others."""
        return np.random.default_rng([self.seed, *stage])


TINY = SampleConfig(
    days=4,
    groups=3,
    users_per_group=8,
    artists_per_group=7,
    other_artists=7,
    tracks_per_artist=6,
    second_tracks=3,
    sessions_per_day=1.0,
    artist_followers=2,
    genre_followers=2,
    pairs_per_group=3,
    hot_waves=1,
    deleted_users=2,
    deleted_pairs=2,
    late=0.02,
    too_late=0.0,
    garbage=0.02,
    audio_tracks=21,
    audio_seconds=5.0,
    long_audio=0,
    unplayed_audio=4,
    broken_audio=4,
    mismatched=3,
    processes=1,
)
"""A sample for tests: everything that the large one has, in a few seconds."""
