"""Settings of the jobs `pretrained` and `embeddings`. This module loads without torch and Spark."""

from dataclasses import dataclass
from typing import Literal

from pydantic import PositiveInt

from models.musicnn_tags import NetworkName


@dataclass(frozen=True)
class EmbeddingsConfig:
    """Which pretrained network computes the embeddings, and on which patches."""

    network: NetworkName | Literal["none"] = "MSD_musicnn"
    """Network of the package `musicnn` (models/musicnn.py): trained on the Million Song Dataset (50 Last.fm tags) or on
    MagnaTagATune (50 tags of instruments and moods). none: no embeddings."""
    hop: PositiveInt = 93
    """Frames from the start of a patch to the next; a patch has 187 (3 s), so that patches overlap by half."""
    clips_per_task: PositiveInt = 64
    """Clips per Spark task: half a minute of one core."""
    decimals: int = 4
    """Digits of stored numbers: rounding hides differences in the last bits between machines."""
