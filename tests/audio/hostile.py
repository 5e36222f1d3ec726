"""Unusable and unusual sound files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

RATE = 22_050


def tone(seconds: float, rate: int = RATE, channels: int = 1, pitch: float = 440.0) -> np.ndarray:
    """A decaying note, twice a second [n, channels]."""
    time = np.arange(int(seconds * rate)) / rate
    wave = 0.5 * np.sin(2 * np.pi * pitch * time) * np.exp(-5 * (time % 0.5))
    return np.repeat(wave[:, None], channels, axis=1)


def wav(path: Path, wave: np.ndarray, rate: int = RATE, kind: str = "PCM_16") -> None:
    soundfile.write(path, wave, rate, subtype=kind)


def _nan(path: Path) -> None:
    wave = tone(2.0)
    wave[100] = np.nan
    wav(path, wave, kind="FLOAT")


def _one_huge(path: Path) -> None:
    wave = tone(4.0)
    wave[100] = 1e30
    wav(path, wave, kind="FLOAT")


def unknown_length(path: Path) -> None:
    """Write a file as a recorder on a pipe does: the 36 bits of STREAMINFO with the number of samples are 0."""
    soundfile.write(path, tone(3.0), RATE)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)


def _truncated(path: Path) -> None:
    wav(path, tone(3.0))
    path.write_bytes(path.read_bytes()[:30])


def _hour(path: Path) -> None:
    with soundfile.SoundFile(path, "w", 8_000, 1, format="FLAC") as file:
        minute = tone(60.0, 8_000)
        for _ in range(60):
            file.write(minute)


BAD: dict[str, tuple[str, Callable[[Path], object]]] = {
    "empty.wav": ("undecodable", lambda path: path.write_bytes(b"")),
    "text.mp3": ("undecodable", lambda path: path.write_text("this is no music\n" * 500)),
    "cut.wav": ("undecodable", _truncated),
    "nan.wav": ("not_finite", _nan),
    "sample.wav": ("too_short", lambda path: wav(path, tone(1 / RATE))),
    "silent.wav": ("silent", lambda path: wav(path, 0 * tone(2.0))),
    "opposed.wav": ("silent", lambda path: wav(path, tone(2.0, channels=2) * [1, -1])),
    "huge.wav": ("too_loud", _one_huge),
    "slow.wav": ("bad_rate", lambda path: wav(path, tone(100.0, 8), 8)),
}
"""File name: the rule that it breaks, and a function that writes it."""
UNUSUAL: dict[str, tuple[tuple[float, int, int], Callable[[Path], object]]] = {
    "hour.flac": ((3600.0, 8_000, 1), _hour),
    "eight_bit.wav": ((4.0, RATE, 1), lambda path: wav(path, tone(4.0), kind="PCM_U8")),
    "high.flac": ((4.0, 96_000, 1), lambda path: wav(path, tone(4.0, 96_000), 96_000)),
    "six.wav": ((4.0, 48_000, 6), lambda path: wav(path, tone(4.0, 48_000, 6), 48_000)),
    "short.ogg": ((1.0, RATE, 1), lambda path: soundfile.write(path, tone(1.0), RATE)),
}
"""File name: seconds, sample rate and channels of a usable file, and a function that writes it."""
