"""Every audio content once decoded, as log-mel clips of both presets: `pmrs run mel --date D`.

A bad file is quarantined with its reason and never hurts its neighbours; what was decoded on any night is not decoded again.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

import torch

from jobs.audio import by_content, cutting, decode
from jobs.audio.cutting import Choice, clip_starts
from jobs.content_cache import program_version
from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.lake.partitions import Partitions
from models import mel as front_end
from models.mel import PRESETS, fit_clip, log_mel


@dataclass(frozen=True)
class Config:
    """Which clips are cut from a file, and what a file may cost."""

    presets: tuple[str, ...] = ("pmrs-4s", "spotify-30s")
    """Presets of models/mel.py to compute; both, because which one serves better is measured, not assumed."""
    choice: Choice = "spread"
    """spread: evenly over the file; middle: one clip around its middle; random: crops drawn by `seed` and content."""
    clips: int = 3
    """Most clips per file and preset: three 4 s clips cover a 12 s preview."""
    seed: int = 7
    """Of random crops."""
    max_seconds: float = 90.0
    """Seconds decoded around the middle: room for three 30 s clips, and a bound on an hour-long file."""
    max_bytes: int = 500_000_000
    """Larger files are quarantined unread: 47 minutes of 44.1 kHz stereo wav, hours of anything packed."""
    file_seconds: float = 60.0
    """Seconds that one file may take before it is given up; usual ones take a few tenths."""

    def check(self) -> None:
        """Raises SourceError for settings by which no file can be heard."""
        wrong = {
            "presets": not self.presets or not set(self.presets) <= set(PRESETS),
            "choice": self.choice not in get_args(Choice),
            "clips": self.clips < 1,
            "max_seconds": not self.max_seconds > 0,
            "file_seconds": not self.file_seconds > 0,
        }
        for name in (name for name, is_so in wrong.items() if is_so):
            raise SourceError(
                f"{name} = {getattr(self, name)!r} under [jobs.mel] cannot be; presets are {', '.join(PRESETS)}, choice is "
                f"{', '.join(get_args(Choice))}, numbers are above 0."
            )


def clips_of_file(file: dict[str, Any], config: Config) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the file is, and its clips as rows of table `mel`. Raises Unusable."""
    rate = PRESETS[config.presets[0]].sample_rate
    found = decode.decode_content(file["path"], file["content_hash"], rate, config.max_seconds, config.max_bytes)
    rows: list[dict[str, Any]] = []
    for name in config.presets:
        preset = PRESETS[name]
        seed = f"{config.seed}:{name}:{file['content_hash']}"
        starts = clip_starts(len(found.wave), preset.clip_samples, config.clips, config.choice, seed)
        fitted = [fit_clip(found.wave[start:], preset) for start in starts]
        mels = log_mel(torch.stack([torch.from_numpy(clip) for clip, _ in fitted]), preset)
        for number, (start, mel, (_, tiled)) in enumerate(zip(starts, mels, fitted, strict=True)):
            at, values = round(found.begins + start / rate, 6), mel.half().numpy().tobytes()
            rows.append({"preset": name, "clip": number, "start": at, "tiled": tiled, "mel": values})
    return found.facts, rows


def clip_version(config: Config) -> str:
    """The maker of these clips: they are decoded anew where settings, decoding, cutting or the front end are others. Not where
    a file may cost more or less: what it broke such a limit by is not kept.
    """
    return program_version(replace(config, max_bytes=0, file_seconds=0), (front_end, decode, cutting))


def run(ctx: JobContext) -> None:
    """Reads `audio_files` and what is held of `mel`; writes new clips, `track_clips`, and the refused files."""
    config: Config = ctx.config  # type: ignore[assignment]
    config.check()
    # a service without audio has no such table; that the night was ingested, its catalogue tells
    ctx.night.lake.require("tracks", Partitions.DATE, ctx.night.date.isoformat())
    work = partial(clips_of_file, config=config)
    one = by_content.Pass("mel", clip_version(config), work, config.file_seconds)
    done = by_content.run(ctx, ctx.read("audio_files"), one)
    ctx.write("track_clips", done.tracks.withColumnRenamed("n_outputs", "clips"))
    done.told.unpersist()
