"""From a file of any supported format to mono float samples at the models' rate, or to the reason why not."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray


@dataclass(frozen=True)
class Unusable(Exception):
    """Audio that cannot be used: the rule's name and the reason in words."""

    rule: str
    reason: str


def decode(path: str, sample_rate: int, max_seconds: float, max_bytes: int) -> NDArray[np.float32]:
    """Mono samples in -1..1, at most `max_seconds` from the middle of the file.

    Raises Unusable for a missing, too large, undecodable, too short (< 0.5 s), silent or non-finite file.
    """
    size = _size(path)
    if size > max_bytes:
        raise Unusable("too_large", f"{size} bytes; files over {max_bytes} bytes are not decoded")
    wave, rate = _middle(path, max_seconds)
    if not np.isfinite(wave).all():
        raise Unusable("not_finite", "the samples hold NaN or infinity")
    if wave.size < 0.5 * rate:
        raise Unusable("too_short", f"{wave.size / rate:.3f} s of audio; at least 0.5 s are needed")
    if float(np.abs(wave).max()) < 1e-4:
        raise Unusable("silent", "no sample is louder than -80 dB")
    if rate != sample_rate:
        wave = soxr.resample(wave, rate, sample_rate, quality="HQ")
    return np.ascontiguousarray(wave, dtype=np.float32)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError as error:
        raise Unusable("unreadable", f"{error.strerror or error}") from None


def _middle(path: str, max_seconds: float) -> tuple[NDArray[np.float32], int]:
    """Samples [n] mixed to mono, and their rate: `max_seconds` around the middle, so that an hour costs no more."""
    try:
        with soundfile.SoundFile(path) as file:
            wanted = int(max_seconds * file.samplerate)
            start = max(0, (file.frames - wanted) // 2)
            if start:
                file.seek(start)
            samples = file.read(min(wanted, max(file.frames, 1)), dtype="float32", always_2d=True)
            return samples.mean(axis=1), int(file.samplerate)
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
        raise Unusable("undecodable", f"libsndfile: {error}".replace(path, "the file")) from None


def clip_starts(samples: int, clip: int, most: int) -> list[int]:
    """Where up to `most` clips of `clip` samples begin: spread evenly, without overlap; one at 0 for a short wave."""
    count = min(most, max(1, samples // clip))
    spare = samples - count * clip
    return [0] if spare < 0 else [i * clip + (i + 1) * spare // (count + 1) for i in range(count)]
