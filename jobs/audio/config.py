"""Settings of the jobs `mel` and `descriptors`. This module loads without torch and Spark."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from jobs.job_config import Positive
from models.mel_presets import PresetName

ClipSelection = Literal["spread", "middle", "random"]


@dataclass(frozen=True)
class MelConfig:
    """Which clips of a file are used, and limits on its cost."""

    presets: Annotated[tuple[PresetName, ...], Field(min_length=1)] = ("pmrs-4s", "spotify-30s", "musicnn")
    """Presets of models/mel_presets.py to compute. The first two: evaluation decides which one is better. musicnn: the input of
    the job `embeddings`."""
    choice: ClipSelection = "spread"
    """spread: evenly over the file; middle: one clip around its middle; random: crops drawn from `seed` and content."""
    clips: PositiveInt = 3
    """Maximum number of clips per file and preset: three 4 s clips cover a 12 s preview."""
    seed: int = 7
    """Seed of random crops."""
    max_seconds: Positive = 90.0
    """Seconds decoded around the middle: enough for three 30 s clips, and a limit on the cost of an hour-long file."""
    max_bytes: int = 500_000_000
    """Larger files are quarantined unread: 47 minutes of 44.1 kHz stereo wav, hours of compressed audio."""
    file_seconds: Positive = 60.0
    """Time limit for one file, in seconds; usual ones take a few tenths."""


@dataclass(frozen=True)
class DescriptorsConfig:
    """How much of a file is described, and limits on its cost."""

    seconds: Positive = 30.0
    """Seconds around the middle: the length of a preview. Tempo needs ten at least."""
    mfcc: PositiveInt = 20
    """Number of cepstral coefficients, including the first one (the level)."""
    decimals: int = 4
    """Digits of the stored values: removes differences in the last bits between machines."""
    max_bytes: int = 500_000_000
    """As in the job `mel`."""
    file_seconds: Positive = 60.0
    """Time limit for one file, in seconds; usual ones take about one."""
