"""Presets of log-mel spectrograms (models/mel.py). Imports no torch, so that the settings of jobs load fast."""

from dataclasses import dataclass
from math import log
from typing import Literal

ClipPresetName = Literal["pmrs-4s", "spotify-30s"]
"""Presets of the networks on clips of 599 frames x 128 mel bins (models/genre_networks.py)."""
PresetName = Literal["pmrs-4s", "spotify-30s", "musicnn"]
"""Keys of PRESETS."""


@dataclass(frozen=True)
class MelPreset:
    """Parameters of a spectrogram. Lengths are samples at `sample_rate`."""

    name: str
    clip_samples: int
    """Length of a clip, the longest one if `min_samples` is set."""
    hop: int
    n_fft: int
    sample_rate: int = 22_050
    n_mels: int = 128
    frames: int = 599
    """Frames of a clip of `clip_samples`; shorter clips have fewer."""
    min_samples: int | None = None
    """Shortest clip; None: all clips have `clip_samples`. Shorter audio is repeated."""
    max_clips: int | None = None
    """Maximum number of clips per file; None: the job's setting alone limits it."""
    log_scale: float = 1.0
    """Factor of the natural logarithm: 1 / ln(10) makes it the common one."""

    @property
    def shortest(self) -> int:
        """Length of the shortest clip in samples."""
        return self.clip_samples if self.min_samples is None else self.min_samples

    def frames_of(self, samples: int) -> int:
        """Return the number of frames of a clip of this length."""
        return min(self.frames, 1 + samples // self.hop)

    @property
    def seconds(self) -> float:
        """Length of a full clip in seconds."""
        return self.clip_samples / self.sample_rate


PRESETS: dict[str, MelPreset] = {
    # 4 s at hop 147 (6.7 ms) are 601 centred frames; the last two hang over the clip's end. A window of 1024
    # (46 ms) keeps the drum hits apart that 2048 would blur, and still leaves no mel filter empty.
    "pmrs-4s": MelPreset("pmrs-4s", clip_samples=4 * 22_050, hop=147, n_fft=1024),
    # The Spotify article's 30 s: hop 1105 (50 ms) gives exactly 599 centred frames.
    "spotify-30s": MelPreset("spotify-30s", clip_samples=30 * 22_050, hop=1105, n_fft=2048),
    # The input of models/musicnn.py: 30 s of the file's middle, the length of a preview; less for shorter files, but at
    # least one patch of 187 frames (3 s).
    "musicnn": MelPreset(
        "musicnn", clip_samples=30 * 16_000, hop=256, n_fft=512, sample_rate=16_000, n_mels=96, frames=1_876,
        min_samples=186 * 256, max_clips=1, log_scale=1 / log(10),
    ),
}


def preset(name: str) -> MelPreset:
    """Return the preset of this name. Raises ValueError with the existing names."""
    if name not in PRESETS:
        raise ValueError(f"no mel preset is called {name!r}: use one of {', '.join(sorted(PRESETS))}")
    return PRESETS[name]
