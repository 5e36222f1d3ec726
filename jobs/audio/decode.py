"""From a file of any supported format to mono float samples at the models' rate, or to the reason why not."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

SHORTEST = 0.5
"""Seconds of audio that are worth looking at."""
SILENCE = 1e-4
"""Largest sample of silence: -80 dB of full scale."""


@dataclass(frozen=True)
class Unusable(Exception):
    """Audio that cannot be used: the rule's name and the reason in words."""

    rule: str
    reason: str


@dataclass(frozen=True)
class Decoded:
    """What is used of a file, and what the file is."""

    wave: NDArray[np.float32]
    """Mono samples [n], full scale = 1."""
    seconds: float
    """Length of the whole file."""
    sample_rate: int
    """Of the file, Hz."""
    channels: int
    """Of the file."""

    @property
    def facts(self) -> dict[str, float]:
        """What table `audio_status` says of the file."""
        return {"seconds": round(self.seconds, 3), "sample_rate": self.sample_rate, "channels": self.channels}


def decode(path: str, sample_rate: int, max_seconds: float, max_bytes: int) -> Decoded:
    """Mono samples at `sample_rate` Hz, at most `max_seconds` from the middle of the file, so that an hour costs no more.

    Raises Unusable for a missing, too large, undecodable, too short (< 0.5 s), silent or non-finite file.
    """
    size = _size(path)
    if size > max_bytes:
        raise Unusable("too_large", f"{size} bytes; files over {max_bytes} bytes are not decoded")
    found = _middle(path, max_seconds)
    wave, rate = found.wave, found.sample_rate
    # both tell of NaN and infinity too
    low, high = float(wave.min(initial=0.0)), float(wave.max(initial=0.0))
    if not np.isfinite([low, high]).all():
        raise Unusable("not_finite", "the samples hold NaN or infinity")
    if wave.size < SHORTEST * rate:
        raise Unusable("too_short", f"{wave.size / rate:.3f} s of audio; at least {SHORTEST:g} s are needed")
    if max(-low, high) < SILENCE:
        raise Unusable("silent", "no sample is louder than -80 dB")
    if rate != sample_rate:
        wave = soxr.resample(wave, rate, sample_rate, quality="HQ")
    return Decoded(np.ascontiguousarray(wave, dtype=np.float32), found.seconds, rate, found.channels)


def decode_content(path: str, content_hash: str, sample_rate: int, max_seconds: float, max_bytes: int) -> Decoded:
    """As `decode`, of a file whose bytes have this SHA-256 (hex). Raises Unusable where they have another."""
    check_content(path, content_hash)
    return decode(path, sample_rate, max_seconds, max_bytes)


def check_content(path: str, content_hash: str) -> None:
    """Raises Unusable where the file's bytes are not those of this SHA-256 (hex): what is kept of them would be kept for others."""
    try:
        with open(path, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise Unusable("unreadable", f"{error.strerror or error}") from None
    if found != content_hash:
        raise Unusable("changed", "its bytes are not those that were ingested; ingest it again")


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError as error:
        raise Unusable("unreadable", f"{error.strerror or error}") from None


def mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n] mean of the channels of samples [n, channels]: as a product, since numpy takes twenty times as long over a short axis."""
    channels = samples.shape[1]
    return samples[:, 0] if channels == 1 else np.asarray(samples @ np.full(channels, 1 / channels, np.float32))


def _middle(path: str, max_seconds: float) -> Decoded:
    """Samples around the middle, mixed to mono, at the file's own rate."""
    try:
        with soundfile.SoundFile(path) as file:
            rate, frames = int(file.samplerate), int(file.frames)
            wanted = int(max_seconds * rate)
            if start := max(0, (frames - wanted) // 2):
                file.seek(start)
            samples = file.read(min(wanted, max(frames, 1)), dtype="float32", always_2d=True)
            return Decoded(mono(samples), frames / rate, rate, int(file.channels))
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
        raise Unusable("undecodable", f"libsndfile: {error}".replace(path, "the file")) from None
