"""Descriptors of synthetic sounds with known properties."""

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.audio.librosa_features import RATE, extract_descriptors
from jobs.lake.content_keys import KEY
from jobs.lake.schemas import table
from tests.audio.hostile import tone

Wave = NDArray[np.float32]


def clicks(beats_a_minute: float, seconds: float = 20.0) -> Wave:
    """Bursts of noise at a tempo."""
    rng = np.random.default_rng(5)
    time = np.arange(int(seconds * RATE)) / RATE
    age = time % (60 / beats_a_minute)
    return (0.5 * rng.normal(size=time.size) * np.exp(-60 * age)).astype(np.float32)


def sine(pitch: float, level: float = 0.5) -> Wave:
    time = np.arange(4 * RATE) / RATE
    return (level * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def test_descriptors_have_every_column_of_the_table() -> None:
    features = extract_descriptors(clicks(100.0), 20)
    assert {*features, *KEY} == set(table("audio_descriptors").schema.names)
    assert {name: len(value) for name, value in features.items() if np.ndim(value)} == {
        "mfcc": 20, "mfcc_std": 20, "mfcc_delta_std": 20, "chroma": 12, "chroma_std": 12, "contrast": 7, "contrast_std": 7,
    }  # fmt: skip


@pytest.mark.parametrize("beats", [90.0, 120.0, 150.0])
def test_a_beat_gives_its_tempo(beats: float) -> None:
    features = extract_descriptors(clicks(beats), 20)
    assert features["tempo"] == pytest.approx(beats, rel=0.04)
    assert features["onset_rate"] == pytest.approx(beats / 60, rel=0.1)


def test_a_tone_gives_its_pitch_and_level() -> None:
    features = extract_descriptors(sine(440.0), 20)
    assert int(np.argmax(features["chroma"])) == 9  # A, counted from C
    assert features["centroid"] == pytest.approx(440, rel=0.15)
    assert features["zero_crossings"] == pytest.approx(2 * 440 / RATE, rel=0.05)
    assert features["loudness"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.2)
    assert features["flatness"] < 0.01


def test_a_louder_copy_changes_only_levels() -> None:
    wave = tone(4.0)[:, 0].astype(np.float32)
    loud, soft = extract_descriptors(wave, 20), extract_descriptors((wave / 2).astype(np.float32), 20)
    assert loud["loudness"] - soft["loudness"] == pytest.approx(6.02, abs=0.01)
    assert loud["intensity"] - soft["intensity"] == pytest.approx(6.02, abs=0.01)
    for name in ("tempo", "centroid", "onset_rate", "chroma"):
        np.testing.assert_allclose(loud[name], soft[name], rtol=1e-3)


@pytest.mark.parametrize("seconds", [0.5, 0.7, 3.0])
def test_short_sounds_give_finite_descriptors(seconds: float) -> None:
    features = extract_descriptors(tone(seconds)[:, 0].astype(np.float32), 20)
    assert all(np.isfinite(value).all() for value in features.values())
