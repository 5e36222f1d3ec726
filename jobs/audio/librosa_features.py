"""Compute descriptors of audio with librosa: levels, rhythm, timbre, harmony.

These are the audio features of MSAM (section III: intensity, loudness, pitch, rhythm, mel) and of the classic genre
models.
"""

import fcntl
from functools import cache
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray

from models.mel_presets import PRESETS

RATE = PRESETS["pmrs-4s"].sample_rate
N_FFT, HOP = 2048, 512
LOUD_FRACTION = 0.1
"""Fraction of the frames, the loudest ones, whose level is the intensity."""
MIN_LEVEL_DB = -100.0
"""Level of digital silence, so that no frame is at minus infinity."""


def extract_descriptors(wave: NDArray[np.float32], coefficients: int) -> dict[str, Any]:
    """Return the columns of table `audio_descriptors`, which documents their units, of mono samples [n] at RATE Hz."""
    warm_up()
    return _extract(wave, coefficients)


def _extract(wave: NDArray[np.float32], coefficients: int) -> dict[str, Any]:
    spectrum = np.abs(librosa.stft(wave, n_fft=N_FFT, hop_length=HOP))  # [1025, T]
    power = spectrum**2
    mel = librosa.feature.melspectrogram(S=power, sr=RATE)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=coefficients)
    chroma = librosa.feature.chroma_stft(S=power, sr=RATE, n_fft=N_FFT)
    contrast = librosa.feature.spectral_contrast(S=spectrum, sr=RATE, n_fft=N_FFT)
    width = min(9, mfcc.shape[1] - (mfcc.shape[1] + 1) % 2)  # of the slope, in frames; odd
    slope = librosa.feature.delta(mfcc, width=width) if width >= 3 else np.zeros_like(mfcc)
    return {
        **loudness_features(wave),
        **rhythm_features(mel),
        **spectral_features(spectrum, wave),
        "mfcc": mfcc.mean(1), "mfcc_std": mfcc.std(1), "mfcc_delta_std": slope.std(1),
        "chroma": chroma.mean(1), "chroma_std": chroma.std(1),
        "contrast": contrast.mean(1), "contrast_std": contrast.std(1),
    }  # fmt: skip


@cache
def warm_up() -> None:
    """Compile librosa's loops: some ten seconds once per environment (set-up does it), then they are loaded from a cache.

    Only one process per machine compiles at a time. Two that compile at once write cache files that crash every later
    process with a segmentation fault (numba, issue 10128).
    """
    with open(librosa.__file__) as shared:  # a file that all processes with the same cache can lock
        fcntl.flock(shared, fcntl.LOCK_EX)
        _extract(np.random.default_rng(0).normal(size=RATE).astype(np.float32), 2)


def loudness_features(wave: NDArray[np.float32]) -> dict[str, float]:
    """Return loudness (all frames), intensity (loudest tenth) and dynamics (10th to 95th percentile), in dB."""
    frames = librosa.feature.rms(y=wave, frame_length=N_FFT, hop_length=HOP)[0]
    level = np.maximum(20 * np.log10(np.maximum(frames, 1e-10)), MIN_LEVEL_DB)
    loud = np.sort(frames)[-max(1, round(LOUD_FRACTION * frames.size)) :]
    low, high = np.percentile(level, [10, 95])
    return {"loudness": _mean_level_db(frames), "intensity": _mean_level_db(loud), "dynamics": float(high - low)}


def _mean_level_db(frames: NDArray[np.float32]) -> float:
    return float(max(10 * np.log10(max(float(np.mean(np.square(frames, dtype=np.float64))), 1e-20)), MIN_LEVEL_DB))


def rhythm_features(mel: NDArray[np.float32]) -> dict[str, float]:
    """Return tempo (beats per minute), onset_rate (per second) and onset_strength (mean rise, dB) of a mel power
    spectrogram [M, T].
    """
    strength = librosa.onset.onset_strength(S=librosa.power_to_db(mel), sr=RATE, hop_length=HOP)
    onsets = librosa.onset.onset_detect(onset_envelope=strength, sr=RATE, hop_length=HOP)
    tempo = librosa.feature.tempo(onset_envelope=strength, sr=RATE, hop_length=HOP)
    seconds = strength.size * HOP / RATE
    return {"tempo": float(tempo[0]), "onset_rate": len(onsets) / seconds, "onset_strength": float(strength.mean())}


def spectral_features(spectrum: NDArray[np.float32], wave: NDArray[np.float32]) -> dict[str, float]:
    """Return mean and standard deviation of the spectral centroid, bandwidth and roll-off (Hz) and zero crossings
    (fraction of samples), and the flatness (0: a tone, 1: noise).
    """
    of_frames = {
        "centroid": librosa.feature.spectral_centroid(S=spectrum, sr=RATE),
        "bandwidth": librosa.feature.spectral_bandwidth(S=spectrum, sr=RATE),
        "rolloff": librosa.feature.spectral_rolloff(S=spectrum, sr=RATE),
        "zero_crossings": librosa.feature.zero_crossing_rate(wave, frame_length=N_FFT, hop_length=HOP),
    }
    means = {name: float(values.mean()) for name, values in of_frames.items()}
    deviations = {f"{name}_std": float(values.std()) for name, values in of_frames.items()}
    return {**means, **deviations, "flatness": float(librosa.feature.spectral_flatness(S=spectrum).mean())}
