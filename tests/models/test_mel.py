"""The mel front end, compared with librosa."""

from typing import get_args

import librosa
import numpy as np
import pytest
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from models.mel import COMPRESSION, fit_clip, log_mel, mel_filters
from models.mel_presets import PRESETS, MelPreset, PresetName, preset
from tests.real_data import real


def musical(p: MelPreset, seed: int) -> NDArray[np.float32]:
    """Decaying notes over noise with silence at the end: loud, quiet and empty frames in one clip."""
    rng = np.random.default_rng(seed)
    t = np.arange(p.clip_samples) / p.sample_rate
    wave = 0.01 * rng.normal(size=t.size)
    for start in np.arange(0, p.seconds, 0.25):
        age = np.maximum(t - start, 0)
        note = np.sin(2 * np.pi * rng.uniform(60, 6000) * age) * np.exp(-9 * age)
        wave += 0.4 * np.where(t >= start, note, 0)
    wave[int(0.9 * t.size) :] = 0
    return wave.astype(np.float32)


def oracle(wave: NDArray[np.float32], p: MelPreset) -> NDArray[np.float32]:
    power = librosa.feature.melspectrogram(y=wave, sr=p.sample_rate, n_fft=p.n_fft, hop_length=p.hop, n_mels=p.n_mels)
    mel: NDArray[np.float32] = np.log1p(COMPRESSION * power[:, : p.frames].T)
    return mel if p.name != "musicnn" else np.asarray(np.log10(COMPRESSION * power[:, : p.frames].T + 1))


@pytest.mark.parametrize("p", PRESETS.values(), ids=lambda p: p.name)
def test_filters_equal_librosa(p: MelPreset) -> None:
    actual = mel_filters(p.sample_rate, p.n_fft, p.n_mels)
    expected = librosa.filters.mel(sr=p.sample_rate, n_fft=p.n_fft, n_mels=p.n_mels)
    np.testing.assert_allclose(actual, expected, atol=1e-7)
    assert (actual.sum(axis=1) > 0).all(), "no mel filter may be empty"


@pytest.mark.parametrize("p", PRESETS.values(), ids=lambda p: p.name)
def test_log_mel_equals_librosa_in_a_batch(p: MelPreset) -> None:
    waves = np.stack([musical(p, seed) for seed in (1, 2)])
    actual = log_mel(torch.from_numpy(waves), p).numpy()
    assert actual.shape == ((2, 1876, 96) if p.name == "musicnn" else (2, 599, 128))
    assert actual.dtype == np.float32
    for got, wave in zip(actual, waves, strict=True):
        want = oracle(wave, p)
        assert np.abs(got - want).max() <= 1e-4 * want.max()


@pytest.mark.parametrize("seconds", [2.976, 3.0, 7.77, 30.0])
def test_musicnn_clips_of_any_length_equal_librosa_within_float16(seconds: float) -> None:
    p = preset("musicnn")
    wave = musical(p, 3)[: round(seconds * p.sample_rate)]
    clip, tiled = fit_clip(wave, p)
    assert (clip.size, tiled) == (wave.size, False)
    want, got = oracle(clip, p), log_mel(torch.from_numpy(clip)[None], p)[0].numpy()
    assert got.shape == want.shape == (1 + clip.size // 256, 96)
    # half a unit in the last place of float16, besides the float32 rounding of both sides
    np.testing.assert_allclose(got.astype(np.float16), want, rtol=2**-11 + 1e-4, atol=1e-4)


def test_musicnn_clip_shorter_than_a_patch_is_tiled_to_one() -> None:
    p = preset("musicnn")
    clip, tiled = fit_clip(np.ones(16_000, dtype=np.float32), p)
    assert tiled
    assert log_mel(torch.from_numpy(clip)[None], p).shape == (1, 187, 96)


@pytest.mark.parametrize("p", PRESETS.values(), ids=lambda p: p.name)
@pytest.mark.parametrize("name", ["rock.00000", "classical.00001", "hiphop.00002"])
def test_log_mel_equals_librosa_on_gtzan(name: str, p: MelPreset) -> None:
    wave, rate = soundfile.read(real(f"gtzan60/{name}.wav"), dtype="float32", always_2d=True)
    clip, tiled = fit_clip(soxr.resample(wave.mean(axis=1), rate, p.sample_rate), p)
    assert tiled == (p.name == "spotify-30s"), "the files have 15 to 20 s"
    want = oracle(clip, p)
    got = log_mel(torch.from_numpy(clip)[None], p)[0].numpy()
    assert np.abs(got - want).max() <= 1e-4 * want.max()


def test_settings_can_name_every_preset() -> None:
    assert get_args(PresetName) == tuple(PRESETS)


def test_hops_give_599_frames_as_the_papers_print() -> None:
    four, thirty = PRESETS["pmrs-4s"], PRESETS["spotify-30s"]
    assert 1 + four.clip_samples // four.hop == 601
    assert 1 + thirty.clip_samples // thirty.hop == 599
    assert (four.seconds, thirty.seconds) == (4.0, 30.0)


def test_silence_is_zero_and_finite() -> None:
    p = preset("pmrs-4s")
    assert log_mel(torch.zeros(1, p.clip_samples), p).abs().max() == 0.0


def test_short_clip_is_tiled_and_long_clip_is_cut() -> None:
    p = preset("pmrs-4s")
    short = np.arange(1, 30_001, dtype=np.float32)
    clip, tiled = fit_clip(short, p)
    assert tiled
    assert clip.size == p.clip_samples
    assert (clip != 0).all(), "never padded with zeros"
    assert clip[30_000] == short[0]
    clip, tiled = fit_clip(np.ones(p.clip_samples, dtype=np.float32), p)
    assert not tiled
    assert fit_clip(np.ones(p.clip_samples + 5, dtype=np.float32), p)[0].size == p.clip_samples
    assert fit_clip(np.ones(1, dtype=np.float32), p)[0].size == p.clip_samples


def test_invalid_inputs_raise_errors_that_name_them() -> None:
    p = preset("pmrs-4s")
    with pytest.raises(ValueError, match="pmrs-4s takes clips of 88200 samples, these have 100"):
        log_mel(torch.zeros(1, 100), p)
    for odd in (torch.zeros(1, p.clip_samples, dtype=torch.int16), torch.zeros(p.clip_samples)):
        with pytest.raises(ValueError, match=r"clips are .* of floats"):
            log_mel(odd, p)
    with pytest.raises(ValueError, match="at least one sample"):
        fit_clip(np.zeros(0, dtype=np.float32), p)
    with pytest.raises(ValueError, match=r"'nope'.*pmrs-4s, spotify-30s"):
        preset("nope")
