"""Every audio content once described: loudness, tempo, timbre and more: `pmrs run descriptors --date D`.

Of the middle of the file, mono at 22,050 Hz; what is measured stands in jobs/audio/describe.py.
"""

from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from jobs.audio import by_content, decode, describe
from jobs.content_cache import program_version
from jobs.context import JobContext
from jobs.lake.content_keys import KEY


@dataclass(frozen=True)
class Config:
    """How much of a file is described, and what a file may cost."""

    seconds: float = 30.0
    """Seconds around the middle: what a preview has; tempo wants ten at least."""
    mfcc: int = 20
    """Cepstral coefficients, the level (the first) among them."""
    decimals: int = 4
    """Digits kept: differences in the last bits between machines vanish."""
    max_bytes: int = 500_000_000
    """As in the job `mel`."""
    file_seconds: float = 60.0
    """Seconds that one file may take before it is given up; usual ones take about one."""


def of_file(file: dict[str, Any], config: Config) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the file is, and its one row of table `audio_descriptors`. Raises Unusable."""
    found = decode.decode_content(file["path"], file["content_hash"], describe.RATE, config.seconds, config.max_bytes)
    row = {name: np.round(value, config.decimals).tolist() for name, value in describe.described(found.wave, config.mfcc).items()}
    return found.facts, [row]


def run(ctx: JobContext) -> None:
    """Reads `audio_files` that the job `mel` could use, and what is held of `audio_descriptors`; writes new ones, and
    `track_descriptors`.
    """
    config: Config = ctx.config  # type: ignore[assignment]
    files = ctx.read("audio_files").join(ctx.read_required("track_clips").select("track_id"), "track_id", "left_semi")
    producer_version = program_version(replace(config, max_bytes=0, file_seconds=0), (decode, describe), version("librosa"))
    work = partial(of_file, config=config)
    one = by_content.Pass("audio_descriptors", producer_version, work, config.file_seconds, describe.compiled)
    done = by_content.run(ctx, files, one)
    ctx.write("track_descriptors", done.tracks.select("track_id", *KEY).join(done.rows, [*KEY]))
    done.told.unpersist()
