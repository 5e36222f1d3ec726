"""Embedding of a clip as columns of table `audio_embeddings`. A change of this module makes stored embeddings outdated."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.musicnn import Musicnn
from models.types import F32

if TYPE_CHECKING:
    from jobs.embeddings.config import EmbeddingsConfig


def embed_clip(mel: F32, network: Musicnn, config: "EmbeddingsConfig") -> dict[str, object]:
    """Return the columns of table `audio_embeddings` for a clip [N, 96], without its key."""
    with torch.inference_mode():
        output = network.forward_clip(torch.from_numpy(mel).to(next(network.parameters()).device), config.hop)
        probabilities = torch.sigmoid(output.logits).cpu().numpy()
        penultimate = output.penultimate.cpu().numpy()

    def rounded(values: F32) -> list[float]:
        numbers: list[float] = np.round(values.ravel(), config.decimals).tolist()
        return numbers

    return {
        "patches": len(probabilities),
        "embedding": rounded(penultimate.mean(0)), "embedding_max": rounded(penultimate.max(0)),
        "tags": rounded(probabilities.mean(0)), "tags_max": rounded(probabilities.max(0)),
        "taggram": rounded(probabilities),
    }  # fmt: skip
