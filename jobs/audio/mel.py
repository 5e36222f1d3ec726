"""Convert every audio content once to log-mel clips of both presets: `pmrs run mel --date D`.

A bad file is quarantined with its reason and does not affect others. A content is never decoded twice.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import torch

from jobs.audio import clip_positions, decode, extraction
from jobs.audio.clip_positions import clip_starts
from jobs.audio.config import MelConfig
from jobs.content_cache import program_version
from jobs.context import JobContext
from jobs.lake.partitions import Partitions
from models import mel as front_end
from models import mel_presets
from models.mel import fit_clip, log_mel
from models.mel_presets import PRESETS


def extract_clips(file: dict[str, Any], config: MelConfig) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the facts of a file, and its clips as rows of table `mel`. Raises UnusableAudio."""
    rate = PRESETS[config.presets[0]].sample_rate
    decoded = decode.decode_content(file["path"], file["content_hash"], rate, config.max_seconds, config.max_bytes)
    rows: list[dict[str, Any]] = []
    for name in config.presets:
        preset = PRESETS[name]
        seed = f"{config.seed}:{name}:{file['content_hash']}"
        starts = clip_starts(len(decoded.wave), preset.clip_samples, config.clips, config.choice, seed)
        fitted = [fit_clip(decoded.wave[start:], preset) for start in starts]
        mels = log_mel(torch.stack([torch.from_numpy(clip) for clip, _ in fitted]), preset)
        for number, (start, mel, (_, tiled)) in enumerate(zip(starts, mels, fitted, strict=True)):
            at, values = round(decoded.start_s + start / rate, 6), mel.half().numpy().tobytes()
            rows.append({"preset": name, "clip": number, "start": at, "tiled": tiled, "mel": values})
    return decoded.facts, rows


def clip_version(config: MelConfig) -> str:
    """Return the version of these clips: they are computed again if settings, decoder, clip positions or front end
    change.

    Limits on the cost of a file are left out, because files that exceed them are not stored.
    """
    program = (front_end, mel_presets, decode, clip_positions)
    return program_version(replace(config, max_bytes=0, file_seconds=0), program)


def run(ctx: JobContext) -> None:
    """Convert the files of `audio_files`; write new rows of `mel`, `track_clips`, and the unusable files."""
    config: MelConfig = ctx.config  # type: ignore[assignment]
    config.check()
    # a service without audio has no table `audio_files`; the catalogue shows that the night was ingested
    ctx.night.lake.require("tracks", Partitions.DATE, ctx.night.date.isoformat())
    extract = partial(extract_clips, config=config)
    spec = extraction.Extraction("mel", clip_version(config), extract, config.file_seconds)
    result = extraction.run(ctx, ctx.read("audio_files"), spec)
    ctx.write("track_clips", result.usable_tracks.withColumnRenamed("n_outputs", "clips"))
    result.statuses.unpersist()
