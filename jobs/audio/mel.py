"""Convert every audio content once to log-mel clips of both presets: `pmrs run mel --date D`.

A bad file is quarantined with its reason and does not affect others. A content is never decoded twice.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

import torch

from jobs.audio import clip_positions, decode, extraction
from jobs.audio.clip_positions import ClipSelection, clip_starts
from jobs.content_cache import program_version
from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.lake.partitions import Partitions
from models import mel as front_end
from models.mel import PRESETS, fit_clip, log_mel


@dataclass(frozen=True)
class Config:
    """Which clips of a file are used, and limits on its cost."""

    presets: tuple[str, ...] = ("pmrs-4s", "spotify-30s")
    """Presets of models/mel.py to compute; both, because evaluation decides which one is better."""
    choice: ClipSelection = "spread"
    """spread: evenly over the file; middle: one clip around its middle; random: crops drawn from `seed` and content."""
    clips: int = 3
    """Maximum number of clips per file and preset: three 4 s clips cover a 12 s preview."""
    seed: int = 7
    """Seed of random crops."""
    max_seconds: float = 90.0
    """Seconds decoded around the middle: enough for three 30 s clips, and a limit on the cost of an hour-long file."""
    max_bytes: int = 500_000_000
    """Larger files are quarantined unread: 47 minutes of 44.1 kHz stereo wav, hours of compressed audio."""
    file_seconds: float = 60.0
    """Time limit for one file, in seconds; usual ones take a few tenths."""

    def check(self) -> None:
        """Raise SourceError for invalid settings."""
        wrong = {
            "presets": not self.presets or not set(self.presets) <= set(PRESETS),
            "choice": self.choice not in get_args(ClipSelection),
            "clips": self.clips < 1,
            "max_seconds": not self.max_seconds > 0,
            "file_seconds": not self.file_seconds > 0,
        }
        for name in (name for name, is_so in wrong.items() if is_so):
            raise SourceError(
                f"{name} = {getattr(self, name)!r} under [jobs.mel] is invalid; presets are {', '.join(PRESETS)}, "
                f"choice is {', '.join(get_args(ClipSelection))}, numbers are above 0."
            )


def extract_clips(file: dict[str, Any], config: Config) -> tuple[dict[str, Any], list[dict[str, Any]]]:
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


def clip_version(config: Config) -> str:
    """Return the version of these clips: they are computed again if settings, decoder, clip positions or front end
    change.

    Limits on the cost of a file are left out, because files that exceed them are not stored.
    """
    return program_version(replace(config, max_bytes=0, file_seconds=0), (front_end, decode, clip_positions))


def run(ctx: JobContext) -> None:
    """Convert the files of `audio_files`; write new rows of `mel`, `track_clips`, and the unusable files."""
    config: Config = ctx.config  # type: ignore[assignment]
    config.check()
    # a service without audio has no table `audio_files`; the catalogue shows that the night was ingested
    ctx.night.lake.require("tracks", Partitions.DATE, ctx.night.date.isoformat())
    extract = partial(extract_clips, config=config)
    spec = extraction.Extraction("mel", clip_version(config), extract, config.file_seconds)
    result = extraction.run(ctx, ctx.read("audio_files"), spec)
    ctx.write("track_clips", result.usable_tracks.withColumnRenamed("n_outputs", "clips"))
    result.statuses.unpersist()
