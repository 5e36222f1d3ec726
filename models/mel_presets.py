"""Presets of log-mel spectrograms (models/mel.py). Imports no torch, so that the settings of jobs load fast."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MelPreset:
    """Parameters of a spectrogram. `clip_samples` and `hop` are samples at `sample_rate`."""

    name: str
    clip_samples: int
    hop: int
    n_fft: int
    sample_rate: int = 22_050
    n_mels: int = 128
    frames: int = 599

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
}


def preset(name: str) -> MelPreset:
    """Return the preset of this name. Raises ValueError with the existing names."""
    if name not in PRESETS:
        raise ValueError(f"no mel preset is called {name!r}: use one of {', '.join(sorted(PRESETS))}")
    return PRESETS[name]
