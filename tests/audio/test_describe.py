"""Descriptors of sounds of which one knows what they are like."""

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.audio.describe import RATE, described
from jobs.lake.content_keys import KEY
from jobs.lake.schemas import table
from tests.audio.hostile import tone

Wave = NDArray[np.float32]


def clicks(beats_a_minute: float, seconds: float = 20.0) -> Wave:
    """Bursts of noise in time."""
    rng = np.random.default_rng(5)
    time = np.arange(int(seconds * RATE)) / RATE
    age = time % (60 / beats_a_minute)
    return (0.5 * rng.normal(size=time.size) * np.exp(-60 * age)).astype(np.float32)


def sine(pitch: float, level: float = 0.5) -> Wave:
    time = np.arange(4 * RATE) / RATE
    return (level * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def test_everything_is_described_that_the_table_has() -> None:
    found = described(clicks(100.0), 20)
    assert {*found, *KEY} == set(table("audio_descriptors").schema.names)
    assert {name: len(value) for name, value in found.items() if np.ndim(value)} == {
        "mfcc": 20, "mfcc_std": 20, "mfcc_delta_std": 20, "chroma": 12, "chroma_std": 12, "contrast": 7, "contrast_std": 7,
    }  # fmt: skip


@pytest.mark.parametrize("beats", [90.0, 120.0, 150.0])
def test_a_beat_is_heard(beats: float) -> None:
    found = described(clicks(beats), 20)
    assert found["tempo"] == pytest.approx(beats, rel=0.04)
    assert found["onset_rate"] == pytest.approx(beats / 60, rel=0.1)


def test_a_tone_has_its_pitch_and_its_level() -> None:
    found = described(sine(440.0), 20)
    assert int(np.argmax(found["chroma"])) == 9  # A, counted from C
    assert found["centroid"] == pytest.approx(440, rel=0.15)
    assert found["zero_crossings"] == pytest.approx(2 * 440 / RATE, rel=0.05)
    assert found["loudness"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.2)
    assert found["flatness"] < 0.01


def test_louder_is_louder_and_nothing_else() -> None:
    wave = tone(4.0)[:, 0].astype(np.float32)
    loud, soft = described(wave, 20), described((wave / 2).astype(np.float32), 20)
    assert loud["loudness"] - soft["loudness"] == pytest.approx(6.02, abs=0.01)
    assert loud["intensity"] - soft["intensity"] == pytest.approx(6.02, abs=0.01)
    for name in ("tempo", "centroid", "onset_rate", "chroma"):
        np.testing.assert_allclose(loud[name], soft[name], rtol=1e-3)


@pytest.mark.parametrize("seconds", [0.5, 0.7, 3.0])
def test_short_sounds_are_described_in_finite_numbers(seconds: float) -> None:
    found = described(tone(seconds)[:, 0].astype(np.float32), 20)
    assert all(np.isfinite(value).all() for value in found.values())
