"""Decode a file of any supported format to mono float samples at the models' rate, or raise the reason why not."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

MIN_SECONDS = 0.5
"""Shorter audio is unusable."""
SILENCE_PEAK = 1e-4
"""Audio with a lower peak is silent: -80 dB of full scale."""
MAX_PEAK = 100.0
"""Audio with a higher peak is broken: 40 dB over full scale, possible only in files of floats.

The squares of such numbers overflow float16, or any float."""
SAMPLE_RATE_RANGE = (1_000, 768_000)
"""Hz, from old telephones to the highest rate on sale; any other rate means a broken header."""
BLOCK_FRAMES = 1_024
"""Frames per read in a file of unknown length: at most this much of its end is lost."""
MAX_SAMPLES = 64_000_000
"""Limit on the decoded samples of all channels: 256 MB. Less is decoded of a file with more.

90 s of six channels at 96 kHz are 52 million."""


@dataclass(eq=False)
class UnusableAudio(Exception):
    """Audio that cannot be used: the code of the rule that it breaks, and the reason."""

    rule: str
    reason: str


@dataclass(frozen=True)
class Decoded:
    """The decoded part of a file, and properties of the file."""

    wave: NDArray[np.float32]
    """Mono samples [n], full scale = 1."""
    start_s: float
    """Position of the first sample in the file, in seconds."""
    seconds: float
    """Length of the file, as far as it can be read."""
    sample_rate: int
    """Of the file, Hz."""
    channels: int
    """Of the file."""

    @property
    def facts(self) -> dict[str, float]:
        """Properties of the file in table `audio_status`."""
        return {"seconds": round(self.seconds, 3), "sample_rate": self.sample_rate, "channels": self.channels}


def decode(path: str, sample_rate: int | None, max_seconds: float, max_bytes: int) -> Decoded:
    """Return mono samples at `sample_rate` Hz (None: the file's own rate), at most `max_seconds` from the middle of the file.

    So an hour costs no more than a song. Raises UnusableAudio for a file that is missing, too large, undecodable, too
    short (< 0.5 s), silent or not finite, or whose numbers are too large for music.
    """
    size = _file_size(path)
    if size > max_bytes:
        raise UnusableAudio("too_large", f"{size} bytes; files over {max_bytes} bytes are not decoded")
    decoded = _read_middle(path, max_seconds)
    wave, rate = decoded.wave, decoded.sample_rate
    # minimum and maximum also reveal NaN and infinity
    low, high = float(wave.min(initial=0.0)), float(wave.max(initial=0.0))
    if not np.isfinite([low, high]).all():
        raise UnusableAudio("not_finite", "the samples contain NaN or infinity")
    if wave.size < MIN_SECONDS * rate:
        raise UnusableAudio("too_short", f"{wave.size / rate:.3f} s of audio; at least {MIN_SECONDS:g} s are needed")
    peak = max(-low, high)
    if peak > MAX_PEAK:
        raise UnusableAudio("too_loud", f"the peak is {peak:.3g} times full scale; at most {MAX_PEAK:g} times is music")
    if peak < SILENCE_PEAK:
        mixed = "" if decoded.channels == 1 else f" once its {decoded.channels} channels are mixed"
        raise UnusableAudio("silent", f"no sample is louder than -80 dB{mixed}")
    return replace(decoded, wave=resample(wave, rate, rate if sample_rate is None else sample_rate))


def resample(wave: NDArray[np.float32], rate: int, target: int) -> NDArray[np.float32]:
    """Return mono samples [n] of `rate` Hz at `target` Hz."""
    resampled = wave if rate == target else soxr.resample(wave, rate, target, quality="HQ")
    return np.ascontiguousarray(resampled, dtype=np.float32)


def decode_content(path: str, content_hash: str, sample_rate: int | None, max_seconds: float, max_bytes: int) -> Decoded:
    """Decode a file whose bytes have this SHA-256 (hex). Raises UnusableAudio like `decode`, or if they differ."""
    check_content(path, content_hash)
    return decode(path, sample_rate, max_seconds, max_bytes)


def check_content(path: str, content_hash: str) -> None:
    """Raise UnusableAudio unless the file's bytes have this SHA-256 (hex), under which the result is stored."""
    try:
        with open(path, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UnusableAudio("unreadable", f"{error.strerror or error}") from None
    if digest != content_hash:
        raise UnusableAudio("changed", "its bytes are not those that were ingested; ingest it again")


def _file_size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError as error:
        raise UnusableAudio("unreadable", f"{error.strerror or error}") from None


def mix_to_mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean [n] of the channels of samples [n, channels].

    A matrix product, because numpy's mean over a short axis is twenty times slower.
    """
    channels = samples.shape[1]
    return samples[:, 0] if channels == 1 else np.asarray(samples @ np.full(channels, 1 / channels, np.float32))


def _read_middle(path: str, max_seconds: float) -> Decoded:
    """Return samples around the middle, mixed to mono, at the file's own rate.

    If hardly anything can be read there, return samples from the beginning: the file was truncated, or a recorder wrote
    its header before it knew the length.
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate, frames, channels = int(file.samplerate), int(file.frames), int(file.channels)
            lowest, highest = SAMPLE_RATE_RANGE
            if not lowest <= rate <= highest:
                raise UnusableAudio("bad_rate", f"a sample rate of {rate} Hz; music has {lowest} to {highest}")
            max_frames = min(int(max_seconds * rate), MAX_SAMPLES // channels)
            start = max(0, (frames - max_frames) // 2)
            samples = _read_from(file, start, min(max_frames, max(frames, 1)))
        if start and len(samples) < MIN_SECONDS * rate:
            start, samples = 0, _read_beginning(path, max_frames)
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
        message = _libsndfile_message(error, path)
        raise UnusableAudio("undecodable", f"no audio that libsndfile can read{message}") from None
    is_complete = start > 0 and len(samples) == min(max_frames, frames)
    length = frames if is_complete else start + len(samples)
    return Decoded(mix_to_mono(samples), start / rate, length / rate, rate, channels)


def _libsndfile_message(error: Exception, path: str) -> str:
    """Return libsndfile's message; for an unknown format it is misleading (the file "does not exist") and left out."""
    message = str(error).replace(path, "the file")
    return "" if "does not exist" in message else f": {message}"


def _read_from(file: soundfile.SoundFile, start: int, n_frames: int) -> NDArray[np.float32]:
    """Return [n, channels] from `start` on; empty if that cannot be reached."""
    try:
        if start:
            file.seek(start)
        samples: NDArray[np.float32] = file.read(n_frames, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        if start:
            return np.empty((0, file.channels), np.float32)
        raise
    return samples


def _read_beginning(path: str, n_frames: int) -> NDArray[np.float32]:
    """Return [n, channels], as many frames as can be read.

    Reads in blocks: at an end that the header does not declare, soundfile fails and loses the block.
    """
    blocks = []
    with soundfile.SoundFile(path) as file:  # reopened: after a failed seek nothing can be read
        blocks.append(np.empty((0, file.channels), np.float32))
        with suppress(soundfile.LibsndfileError):
            while n_frames > 0 and len(
                block := file.read(min(BLOCK_FRAMES, n_frames), dtype="float32", always_2d=True)
            ):
                blocks.append(block)
                n_frames -= len(block)
    return np.concatenate(blocks)
