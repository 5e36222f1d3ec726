"""From a file of any supported format to mono float samples at the models' rate, or to the reason why not."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

SHORTEST = 0.5
"""Seconds of audio that are worth looking at."""
SILENCE = 1e-4
"""Largest sample of silence: -80 dB of full scale."""
LOUDEST = 100.0
"""Largest sample that music can have: 40 dB over full scale, which only files of floats can hold. Beyond are broken numbers, whose
squares leave what float16 can hold, or any float."""
RATES = (1_000, 768_000)
"""Samples a second, from telephones of old to the highest that is sold; any other tells of a broken header."""
PIECE = 1_024
"""Samples read at once of a file that does not know its length: what is lost of its end, at most."""
MOST_SAMPLES = 64_000_000
"""Of all channels together, decoded at once: 256 MB; 90 s of six channels at 96 kHz are 52 million. Of more, less is heard."""


@dataclass(eq=False)
class Unusable(Exception):
    """Audio that cannot be used: the rule's name and the reason in words."""

    rule: str
    reason: str


@dataclass(frozen=True)
class Decoded:
    """What is used of a file, and what the file is."""

    wave: NDArray[np.float32]
    """Mono samples [n], full scale = 1."""
    begins: float
    """Seconds of the file that were left out before."""
    seconds: float
    """Length of the whole file, as far as it can be read."""
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

    Raises Unusable for a missing, too large, undecodable, too short (< 0.5 s), silent or non-finite file, and for numbers that no
    music has.
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
    if max(-low, high) > LOUDEST:
        raise Unusable("too_loud", f"a sample is {max(-low, high):.3g} times full scale; of music none is {LOUDEST:g} times")
    if max(-low, high) < SILENCE:
        mixed = "" if found.channels == 1 else f" once its {found.channels} channels are mixed"
        raise Unusable("silent", f"no sample is louder than -80 dB{mixed}")
    if rate != sample_rate:
        wave = soxr.resample(wave, rate, sample_rate, quality="HQ")
    return replace(found, wave=np.ascontiguousarray(wave, dtype=np.float32))


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
    """Samples around the middle, mixed to mono, at the file's own rate; from the beginning, where the middle that the header tells
    of is hardly there: the file was cut off, or written by a recorder that did not know yet how long it would be.
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate, frames, channels = int(file.samplerate), int(file.frames), int(file.channels)
            if not RATES[0] <= rate <= RATES[1]:
                raise Unusable("bad_rate", f"{rate} samples a second; music has {RATES[0]} to {RATES[1]}")
            wanted = min(int(max_seconds * rate), MOST_SAMPLES // channels)
            start = max(0, (frames - wanted) // 2)
            samples = _read(file, start, min(wanted, max(frames, 1)))
        if start and len(samples) < SHORTEST * rate:
            start, samples = 0, _beginning(path, wanted)
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
        raise Unusable("undecodable", f"no audio that libsndfile can read{_said(error, path)}") from None
    whole = start > 0 and len(samples) == min(wanted, frames)
    return Decoded(mono(samples), start / rate, frames / rate if whole else (start + len(samples)) / rate, rate, channels)


def _said(error: Exception, path: str) -> str:
    """What libsndfile adds; of a file in no format that it knows it says that there is none."""
    words = str(error).replace(path, "the file")
    return "" if "does not exist" in words else f": {words}"


def _read(file: soundfile.SoundFile, start: int, many: int) -> NDArray[np.float32]:
    """[n, channels] from `start` on, none where that cannot be reached."""
    try:
        if start:
            file.seek(start)
        found: NDArray[np.float32] = file.read(many, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        if start:
            return np.empty((0, file.channels), np.float32)
        raise
    return found


def _beginning(path: str, many: int) -> NDArray[np.float32]:
    """[n, channels] as many as can be read, in pieces: soundfile fails at an end of which the header did not know, and keeps
    nothing of the piece that holds it.
    """
    pieces = []
    with soundfile.SoundFile(path) as file:  # anew: where a seek has failed nothing can be read
        pieces.append(np.empty((0, file.channels), np.float32))
        with suppress(soundfile.LibsndfileError):
            while many > 0 and len(piece := file.read(min(PIECE, many), dtype="float32", always_2d=True)):
                pieces.append(piece)
                many -= len(piece)
    return np.concatenate(pieces)
