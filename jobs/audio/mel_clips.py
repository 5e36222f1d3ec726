"""Clips of a file as rows of table `mel`. All that these rows depend on is imported here: a change makes stored clips outdated."""

from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch

from jobs.audio import decode
from jobs.audio.clip_positions import clip_starts
from models.mel import fit_clip, log_mel
from models.mel_presets import PRESETS, MelPreset
from models.types import F32

if TYPE_CHECKING:
    from jobs.audio.config import MelConfig


def extract_clips(file: dict[str, Any], config: "MelConfig") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the facts of a file, and its clips as rows of table `mel`. Raises UnusableAudio.

    The file is decoded once, and resampled once per sample rate of the presets.
    """
    decoded = decode.decode_content(file["path"], file["content_hash"], None, config.max_seconds, config.max_bytes)
    rows: list[dict[str, Any]] = []
    by_rate = sorted((PRESETS[name] for name in config.presets), key=lambda preset: preset.sample_rate)
    for rate, presets in groupby(by_rate, key=lambda preset: preset.sample_rate):
        wave = decode.resample(decoded.wave, decoded.sample_rate, rate)
        for preset in presets:
            rows += _clips(wave, preset, decoded.start_s, file["content_hash"], config)
    return decoded.facts, rows


def _clips(wave: F32, preset: MelPreset, start_s: float, content_hash: str, config: "MelConfig") -> list[dict[str, Any]]:
    n_clips = min(config.clips, preset.max_clips or config.clips)
    seed = f"{config.seed}:{preset.name}:{content_hash}"
    starts = clip_starts(len(wave), preset.clip_samples, n_clips, config.choice, seed)
    fitted = [fit_clip(wave[start:], preset) for start in starts]
    mels = log_mel(torch.stack([torch.from_numpy(clip) for clip, _ in fitted]), preset)
    return [
        {
            "preset": preset.name, "clip": number, "start": round(start_s + start / preset.sample_rate, 6), "tiled": tiled,
            "mel": mel.half().numpy().tobytes(),
        }
        for number, (start, mel, (_, tiled)) in enumerate(zip(starts, mels, fitted, strict=True))
    ]  # fmt: skip
