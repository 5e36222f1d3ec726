"""What music information retrieval says of a piece of audio, by librosa: levels, rhythm, timbre, harmony.

The audio side of MSAM (section III: intensity, loudness, pitch, rhythm, mel), and the features of the classic genre models.
"""

import fcntl
from functools import cache
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray

from models.mel import PRESETS

RATE = PRESETS["pmrs-4s"].sample_rate
N_FFT, HOP = 2048, 512
LOUDEST = 0.1
"""Share of the frames whose level is the intensity."""
QUIETEST_DB = -100.0
"""Level of digital silence, so that no frame is at minus infinity."""


def described(wave: NDArray[np.float32], coefficients: int) -> dict[str, Any]:
    """Columns of table `audio_descriptors`, which has their units, of mono samples [n] at RATE Hz."""
    compiled()
    return _described(wave, coefficients)


def _described(wave: NDArray[np.float32], coefficients: int) -> dict[str, Any]:
    spectrum = np.abs(librosa.stft(wave, n_fft=N_FFT, hop_length=HOP))  # [1025, T]
    power = spectrum**2
    mel = librosa.feature.melspectrogram(S=power, sr=RATE)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=coefficients)
    chroma = librosa.feature.chroma_stft(S=power, sr=RATE, n_fft=N_FFT)
    contrast = librosa.feature.spectral_contrast(S=spectrum, sr=RATE, n_fft=N_FFT)
    width = min(9, mfcc.shape[1] - (mfcc.shape[1] + 1) % 2)  # of the slope, in frames; odd
    slope = librosa.feature.delta(mfcc, width=width) if width >= 3 else np.zeros_like(mfcc)
    return {
        **levels(wave),
        **rhythm(mel),
        **shape(spectrum, wave),
        "mfcc": mfcc.mean(1), "mfcc_std": mfcc.std(1), "mfcc_delta_std": slope.std(1),
        "chroma": chroma.mean(1), "chroma_std": chroma.std(1),
        "contrast": contrast.mean(1), "contrast_std": contrast.std(1),
    }  # fmt: skip


@cache
def compiled() -> None:
    """Have librosa's loops compiled, which takes some ten seconds once in an environment's life; then they are loaded.

    One process of a machine at a time: two that compile at once leave files behind which end every later one by a segmentation
    fault (numba, issue 10128).
    """
    with open(librosa.__file__) as shared:  # which all who share the compiled files can lock
        fcntl.flock(shared, fcntl.LOCK_EX)
        _described(np.random.default_rng(0).normal(size=RATE).astype(np.float32), 2)


def levels(wave: NDArray[np.float32]) -> dict[str, float]:
    """Loudness: of the whole; intensity: of the loudest tenth of the frames; dynamics: from the 10th to the 95th percentile."""
    frames = librosa.feature.rms(y=wave, frame_length=N_FFT, hop_length=HOP)[0]
    level = np.maximum(20 * np.log10(np.maximum(frames, 1e-10)), QUIETEST_DB)
    loud = np.sort(frames)[-max(1, round(LOUDEST * frames.size)) :]
    low, high = np.percentile(level, [10, 95])
    return {"loudness": _db(frames), "intensity": _db(loud), "dynamics": float(high - low)}


def _db(frames: NDArray[np.float32]) -> float:
    return float(max(10 * np.log10(max(float(np.mean(np.square(frames, dtype=np.float64))), 1e-20)), QUIETEST_DB))


def rhythm(mel: NDArray[np.float32]) -> dict[str, float]:
    """Of a mel power spectrogram [M, T]: tempo (beats a minute), onset_rate (a second) and onset_strength (mean rise, dB)."""
    strength = librosa.onset.onset_strength(S=librosa.power_to_db(mel), sr=RATE, hop_length=HOP)
    onsets = librosa.onset.onset_detect(onset_envelope=strength, sr=RATE, hop_length=HOP)
    tempo = librosa.feature.tempo(onset_envelope=strength, sr=RATE, hop_length=HOP)
    seconds = strength.size * HOP / RATE
    return {"tempo": float(tempo[0]), "onset_rate": len(onsets) / seconds, "onset_strength": float(strength.mean())}


def shape(spectrum: NDArray[np.float32], wave: NDArray[np.float32]) -> dict[str, float]:
    """Mean and deviation of the spectrum's centroid, bandwidth and roll-off (Hz), of crossings of zero (share of samples), and its
    flatness (0: a tone, 1: noise).
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
