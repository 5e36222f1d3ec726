"""The average spectrum does not reveal the planted genres, so the sample needs PMRS's network.

tests/sample_night.py checks on a whole night that the network finds them.
"""

import warnings

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jobs.sample.config import GENRES
from jobs.sample.genre_patterns import GENRE_PATTERNS
from jobs.sample.synth import render
from models.data.clips import split_tracks
from models.mel import fit_clip, log_mel
from models.mel_presets import preset

TRACKS = 140
Data = tuple[NDArray[np.float16], NDArray[np.int64], NDArray[np.str_], NDArray[np.bool_]]


@pytest.fixture(scope="module")
def data() -> Data:
    """A clip of each of 140 tracks: log-mels, genre numbers, tracks, and a mask of held-out ones (a fifth)."""
    p = preset("pmrs-4s")
    waves = [
        render(GENRES[n % 7], 4.2, p.sample_rate, np.random.default_rng([3, n])).mean(axis=1) for n in range(TRACKS)
    ]
    mels = log_mel(torch.from_numpy(np.stack([fit_clip(wave, p)[0] for wave in waves])), p).numpy().astype(np.float16)
    tracks, labels = np.array([f"TR{n}" for n in range(TRACKS)]), np.arange(TRACKS) % 7
    return mels, labels, tracks, split_tracks(tracks, labels, 0.2, seed=3)


def test_every_genre_has_a_pattern() -> None:
    assert tuple(GENRE_PATTERNS) == GENRES
    for genre, pattern_of_genre in GENRE_PATTERNS.items():
        lines = (pattern_of_genre.bass.rhythms, pattern_of_genre.chords.rhythms, pattern_of_genre.lead.rhythms)
        for patterns in (
            pattern_of_genre.kick,
            pattern_of_genre.snare,
            pattern_of_genre.hat,
            pattern_of_genre.open_hat,
            *lines,
        ):
            assert all(len(pattern) == 16 for pattern in patterns), genre


def test_a_track_is_finite_stereo_and_below_full_scale() -> None:
    wave = render("Rock", 3.0, 22_050, np.random.default_rng(1))
    assert wave.shape == (66_150, 2)
    assert np.isfinite(wave).all()
    assert 0.05 < np.abs(wave).max() < 1.0


@pytest.mark.slow
def test_logistic_regression_on_the_mean_spectrum_stays_below_90_percent(data: Data) -> None:
    mels, labels, tracks, held_out = data
    means = mels.astype(np.float32).mean(axis=1)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    search = GridSearchCV(model, {"logisticregression__C": [0.001, 0.01, 0.1, 1.0]}, cv=StratifiedGroupKFold(4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(means[~held_out], labels[~held_out], groups=tracks[~held_out])
    assert (search.predict(means[held_out]) == labels[held_out]).mean() < 0.9
