"""Write the audio files in parallel processes; the same seed gives the same bytes."""

import io
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile

from jobs.sample.audio_plan import AudioFile
from jobs.sample.instruments import Wave
from jobs.sample.synth import render

ENCODING = {  # libsndfile: format, subtype, compression level (0 best .. 1 smallest; None for lossless)
    "ogg": ("OGG", "VORBIS", 0.6),
    "mp3": ("MP3", "MPEG_LAYER_III", 0.6),
    "wav": ("WAV", "PCM_16", None),
    "flac": ("FLAC", "PCM_16", None),
}
REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def encode(file: AudioFile, wave: Wave) -> bytes:
    """Encode `wave` [samples, channels] as the bytes of a file."""
    major, subtype, level = ENCODING[file.format]
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, file.rate, format=major, subtype=subtype, compression_level=level)
    data = buffer.getvalue()
    return with_serial(data, 1 + file.number) if file.format == "ogg" else data


def ogg_crc(page: bytes) -> int:
    """Return Ogg's checksum: zlib's polynomial, but most significant bit first and without the inversions."""
    crc = zlib.crc32(page.translate(REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


def ogg_pages(data: bytes) -> Iterator[bytearray]:
    """Yield the pages of an Ogg file."""
    start = 0
    while start < len(data):
        segments = data[start + 26]
        body = sum(data[start + 27 : start + 27 + segments])
        end = start + 27 + segments + body
        yield bytearray(data[start:end])
        start = end


def with_serial(data: bytes, serial: int) -> bytes:
    """Set the stream number in every page of an Ogg file; libsndfile derives it from the clock."""
    pages = []
    for page in ogg_pages(data):
        page[14:18] = serial.to_bytes(4, "little")
        page[22:26] = bytes(4)
        page[22:26] = ogg_crc(bytes(page)).to_bytes(4, "little")
        pages.append(bytes(page))
    return b"".join(pages)


def broken_bytes(file: AudioFile) -> bytes:
    """Return the content of a defective file."""
    wave = np.zeros((int(file.seconds * file.rate), 1), dtype=np.float32)
    if file.defect == "empty":
        return b""
    if file.defect == "text":
        return b"<html><body>404 Not Found: this is no music.</body></html>\n"
    if file.defect == "truncated":
        return encode(file, wave)[:30]  # ends inside the header
    if file.defect == "one_sample":
        return encode(file, wave[:1])
    wave[file.rate :] = np.nan
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, file.rate, format="WAV", subtype="FLOAT")
    return without_peak_time(buffer.getvalue())


def without_peak_time(data: bytes) -> bytes:
    """Clear the time of writing in a float WAV, which libsndfile stores in the PEAK chunk."""
    at = data.find(b"PEAK")
    return data if at < 0 else data[: at + 12] + bytes(4) + data[at + 16 :]


def file_bytes(file: AudioFile, seed: int) -> bytes:
    """Return a file's content; its sound depends only on the seed and its number."""
    if file.defect:
        return broken_bytes(file)
    wave = render(file.genre, file.seconds, file.rate, np.random.default_rng([seed, 4, file.number]))
    return encode(file, wave if file.channels == 2 else wave.mean(axis=1, keepdims=True))


def write_file(job: tuple[Path, AudioFile, int]) -> str:
    """Write one file: a work item of the process pool."""
    out, file, seed = job
    (out / file.name).write_bytes(file_bytes(file, seed))
    return file.name


def write_audio(
    out: Path, files: list[AudioFile], seed: int, processes: int, on_file: Callable[[int, int], None]
) -> None:
    """Write all files below `out`; call `on_file(written, total)` after each."""
    (out / "audio").mkdir(parents=True, exist_ok=True)
    jobs = [(out, file, seed) for file in files]
    if processes == 1:
        for count, job in enumerate(jobs, start=1):
            write_file(job)
            on_file(count, len(jobs))
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for count, _ in enumerate(pool.map(write_file, jobs, chunksize=4), start=1):
            on_file(count, len(jobs))
