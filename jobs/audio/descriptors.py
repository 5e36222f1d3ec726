"""Describe every audio content once: loudness, tempo, timbre and more: `pmrs run descriptors --date D`.

Uses the middle of the file, mono at 22,050 Hz. jobs/audio/librosa_features.py defines the descriptors.
"""

from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from jobs.audio import decode, extraction, librosa_features
from jobs.audio.config import DescriptorsConfig
from jobs.content_cache import program_version
from jobs.context import JobContext
from jobs.lake.content_keys import KEY


def describe_file(file: dict[str, Any], config: DescriptorsConfig) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the facts of a file, and its one row of table `audio_descriptors`. Raises UnusableAudio."""
    decoded = decode.decode_content(
        file["path"], file["content_hash"], librosa_features.RATE, config.seconds, config.max_bytes
    )
    row = {
        name: np.round(value, config.decimals).tolist()
        for name, value in librosa_features.extract_descriptors(decoded.wave, config.mfcc).items()
    }
    return decoded.facts, [row]


def run(ctx: JobContext) -> None:
    """Describe the files of `audio_files` that the job `mel` could use; write new `audio_descriptors` and
    `track_descriptors`.
    """
    config: DescriptorsConfig = ctx.config  # type: ignore[assignment]
    files = ctx.read("audio_files").join(ctx.read_required("track_clips").select("track_id"), "track_id", "left_semi")
    producer_version = program_version(
        replace(config, max_bytes=0, file_seconds=0), (decode, librosa_features), version("librosa")
    )
    extract = partial(describe_file, config=config)
    spec = extraction.Extraction(
        "audio_descriptors", producer_version, extract, config.file_seconds, librosa_features.warm_up
    )
    result = extraction.run(ctx, files, spec)
    ctx.write("track_descriptors", result.usable_tracks.select("track_id", *KEY).join(result.rows, [*KEY]))
    result.statuses.unpersist()
