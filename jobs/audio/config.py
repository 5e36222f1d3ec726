"""Settings of the jobs `mel` and `descriptors`. This module loads without torch and Spark."""

from dataclasses import dataclass
from typing import Literal, get_args

from jobs.errors import SourceError
from models.mel_presets import PRESETS

ClipSelection = Literal["spread", "middle", "random"]


@dataclass(frozen=True)
class MelConfig:
    """Which clips of a file are used, and limits on its cost."""

    presets: tuple[str, ...] = ("pmrs-4s", "spotify-30s")
    """Presets of models/mel_presets.py to compute; both, because evaluation decides which one is better."""
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


@dataclass(frozen=True)
class DescriptorsConfig:
    """How much of a file is described, and limits on its cost."""

    seconds: float = 30.0
    """Seconds around the middle: the length of a preview. Tempo needs ten at least."""
    mfcc: int = 20
    """Number of cepstral coefficients, including the first one (the level)."""
    decimals: int = 4
    """Digits of the stored values: removes differences in the last bits between machines."""
    max_bytes: int = 500_000_000
    """As in the job `mel`."""
    file_seconds: float = 60.0
    """Time limit for one file, in seconds; usual ones take about one."""
