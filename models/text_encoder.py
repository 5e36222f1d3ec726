"""Sentence embeddings: a BERT encoder (Devlin et al. 2019) with mean pooling and normalization (Reimers and Gurevych
2019).

The encoder is any folder in Hugging Face's layout (config.json, tokenizer.json, model.safetensors) whose model has
hidden states. Nothing is downloaded, and no code of the folder is run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from models.defaults import MAX_TOKENS
from models.torch_device import best_device

FILES = ("config.json", "tokenizer.json", "model.safetensors")
OPTIONAL_FILES = ("tokenizer_config.json", "special_tokens_map.json")
"""Files that determine the vectors; the optional ones may be missing."""


class TextEncoder:
    """An encoder loaded from a folder."""

    def __init__(self, folder: str | Path, max_tokens: int = MAX_TOKENS) -> None:
        """Load the encoder. Raises FileNotFoundError if the folder has none."""
        if missing := [name for name in FILES if not (Path(folder) / name).is_file()]:
            raise FileNotFoundError(f"{folder} has no text encoder: {missing[0]} is missing")
        # imported on use: importing it takes seconds
        from transformers import AutoModel, AutoTokenizer

        offline = {"local_files_only": True, "trust_remote_code": False}
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **offline)
        self._model: Any = AutoModel.from_pretrained(folder, use_safetensors=True, **offline).eval().to(best_device())
        self._max_tokens = max_tokens
        self.width = int(self._model.config.hidden_size)
        """Dimension of the vectors."""

    def encode(self, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float32]:
        """Return vectors [N, width] of length 1. Batches contain texts of similar length to reduce padding."""
        vectors = np.zeros((len(texts), self.width), np.float32)
        order = np.array(sorted(range(len(texts)), key=lambda i: (len(texts[i]), texts[i])), np.int64)
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                vectors[rows] = self._encoded([texts[row] for row in rows])
        return vectors

    def _encoded(self, texts: list[str]) -> NDArray[np.float32]:
        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=self._max_tokens, return_tensors="pt")
        tokens = tokens.to(self._model.device)
        hidden = self._model(**tokens).last_hidden_state  # [B, T, width]
        mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)  # [B, T, 1]
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        return np.asarray(F.normalize(mean, dim=1).cpu().numpy(), np.float32)
