"""Log-mel spectrograms: the inputs of PMRS's network (599 frames x 128 mel bins per clip) and of musicnn.

PMRS (section III) and the article its network comes from print "599 frames" for clips of different lengths;
no integer hop gives exactly 599 for 4 s, so there are two presets of it (models/mel_presets.py). What the paper calls MFCC
is log-mel there. The filterbank is Slaney's (linear below 1 kHz, logarithmic above, each triangle of
unit area). It equals `librosa.filters.mel`, which only the tests use.

Compression is log(1 + 10000 x power): as good as a logarithm over 70 dB, zero for silence, never -inf. The
values are in 0..20, where float16 is accurate to 0.01. musicnn uses the common logarithm of the same.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from models.mel_presets import MelPreset

COMPRESSION = 10_000.0  # C of log(1 + C * mel power)
LINEAR_HZ_PER_MEL = 200.0 / 3.0  # Slaney's Auditory Toolbox: 66.7 Hz a mel below 1 kHz ...
LOG_START_HZ = 1000.0
BANDS = 4  # groups of filters: in one product of all filters, three quarters of the factors would be zeros
LOG_STEP = np.log(6.4) / 27.0  # ... and 27 mels from 1 kHz to 6.4 kHz above it


def hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert hertz to Slaney mels, any shape."""
    above = LOG_START_HZ / LINEAR_HZ_PER_MEL + np.log(np.maximum(hz, 1e-9) / LOG_START_HZ) / LOG_STEP
    return np.where(hz < LOG_START_HZ, hz / LINEAR_HZ_PER_MEL, above)


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert Slaney mels to hertz, any shape."""
    start = LOG_START_HZ / LINEAR_HZ_PER_MEL
    return np.where(mel < start, mel * LINEAR_HZ_PER_MEL, LOG_START_HZ * np.exp(LOG_STEP * (mel - start)))


@lru_cache(maxsize=8)
def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> NDArray[np.float32]:
    """Return triangular filters of unit area over 0 Hz .. Nyquist, [n_mels, 1 + n_fft // 2] (read-only)."""
    bins = np.linspace(0.0, sample_rate / 2.0, 1 + n_fft // 2)
    top = hz_to_mel(np.array(sample_rate / 2.0))
    edges = mel_to_hz(np.linspace(0.0, float(top), n_mels + 2))
    rise = (bins[None, :] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins[None, :]) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rise, fall))
    filters: NDArray[np.float32] = (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)
    filters.setflags(write=False)
    return filters


@lru_cache(maxsize=8)
def mel_bands(sample_rate: int, n_fft: int, n_mels: int) -> tuple[tuple[int, NDArray[np.float32]], ...]:
    """Return the same filters in BANDS groups without their zeros: (first FFT bin, [bins, n_mels / BANDS])."""
    bands = []
    for part in np.array_split(mel_filters(sample_rate, n_fft, n_mels), BANDS):
        bins = np.flatnonzero(part.any(axis=0))
        bands.append((int(bins[0]), np.ascontiguousarray(part[:, bins[0] : bins[-1] + 1].T)))
    return tuple(bands)


def mel_power(waves: Tensor, preset: MelPreset) -> Tensor:
    """Return mel power spectrograms, [B, samples] -> [B, frames, n_mels]: centered frames, zero padding, Hann window.

    Raises ValueError for other shapes or dtypes.
    """
    if waves.ndim != 2 or not waves.is_floating_point():
        raise ValueError(
            f"clips are [B, samples] of floats, full scale 1, not {waves.dtype} of shape {tuple(waves.shape)}"
        )
    samples = waves.shape[1]
    if not preset.shortest <= samples <= preset.clip_samples:
        lengths = " to ".join(str(length) for length in sorted({preset.shortest, preset.clip_samples}))
        raise ValueError(
            f"preset {preset.name} takes clips of {lengths} samples, these have {samples}: "
            "cut them, or extend short ones with fit_clip"
        )
    window, bands = _constants(preset, waves.device)
    if waves.is_cuda:
        return _mel_power(waves.float(), preset, window, bands)
    # clip by clip: one spectrum (2 MB) stays in a core's cache, eight at once take 1.5 times as long per clip. All
    # clips share one buffer: allocating it again costs more than the arithmetic
    frames = preset.frames_of(samples)
    mel, buffers = torch.empty(len(waves), frames, preset.n_mels), _Buffers(preset, frames)
    for clip, wave in enumerate(waves.detach().float()):
        mel[clip] = _mel_power(wave, preset, window, bands, buffers)
    return mel


@lru_cache(maxsize=8)
def _constants(preset: MelPreset, device: torch.device) -> tuple[Tensor, list[tuple[int, Tensor]]]:
    """Return the window and filters of a preset on a device."""
    bands = mel_bands(preset.sample_rate, preset.n_fft, preset.n_mels)
    return torch.hann_window(preset.n_fft, device=device), [
        (low, torch.tensor(part, device=device)) for low, part in bands
    ]


class _Buffers:
    """Memory for the intermediate results of a clip."""

    def __init__(self, preset: MelPreset, frames: int) -> None:
        self.frames = torch.empty(frames, preset.n_fft)
        self.spectrum = torch.empty(frames, 1 + preset.n_fft // 2, dtype=torch.complex64)
        self.power = torch.empty(frames, 1 + preset.n_fft // 2)


def _mel_power(
    waves: Tensor, preset: MelPreset, window: Tensor, bands: list[tuple[int, Tensor]], buffers: _Buffers | None = None
) -> Tensor:
    """Return [..., frames, n_mels] for waves [..., samples].

    Frames stay rows throughout; torch.stft would transpose them.
    """
    padded = F.pad(waves, (preset.n_fft // 2, preset.n_fft // 2))
    frames = padded.unfold(-1, preset.n_fft, preset.hop)[..., : preset.frames_of(waves.shape[-1]), :]
    windowed = torch.mul(frames, window, out=buffers.frames if buffers else None)
    spectrum = torch.fft.rfft(windowed, out=buffers.spectrum if buffers else None)
    power = torch.square(spectrum.real, out=buffers.power if buffers else None)  # [..., frames, 1 + n_fft // 2]
    power.addcmul_(spectrum.imag, spectrum.imag)
    return torch.cat([power[..., low : low + len(part)] @ part for low, part in bands], dim=-1)


def log_mel(waves: Tensor, preset: MelPreset) -> Tensor:
    """Return log(1 + 10000 x mel power) of mono clips: [B, frames, n_mels] float32, times the preset's `log_scale`.

    `waves`: [B, samples], any float type, full scale = 1, at the preset's sample rate, on any device.
    Raises ValueError for a length that the preset does not take.
    """
    logs = mel_power(waves, preset).mul_(COMPRESSION).log1p_()
    return logs if preset.log_scale == 1 else logs.mul_(preset.log_scale)


def fit_clip(wave: NDArray[np.float32], preset: MelPreset) -> tuple[NDArray[np.float32], bool]:
    """Return the first clip of `wave` (mono, [samples]) at a length that the preset takes, and whether it had to be tiled.

    A shorter wave is repeated, not padded with zeros: silence would be a feature that its genre does not have.
    Raises ValueError for an empty wave.
    """
    if wave.ndim != 1 or wave.size == 0:
        raise ValueError(f"a clip must be one channel with at least one sample, not shape {wave.shape}")
    if wave.size >= preset.shortest:
        return wave[: preset.clip_samples], False
    times = -(-preset.shortest // wave.size)
    return np.tile(wave, times)[: preset.shortest], True
