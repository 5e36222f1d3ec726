"""Sentences to vectors: a BERT encoder (Devlin et al. 2019), the mean over its tokens made 1 long (Reimers and Gurevych 2019).

Any folder in Hugging Face's layout (config.json, tokenizer.json, model.safetensors) of an encoder with hidden states will do.
Nothing is ever fetched, and no code of such a folder is run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from models.device import best_device

MOST_TOKENS = 64
"""Of a text; what comes behind them is not read. Title, artist, release and ten tags have about forty."""


FILES = ("config.json", "tokenizer.json", "model.safetensors")
ALSO = ("tokenizer_config.json", "special_tokens_map.json")
"""Of a folder: what decides what it says of a text; the second need not be there."""


class TextEncoder:
    """What one folder holds."""

    def __init__(self, folder: str | Path, most_tokens: int = MOST_TOKENS) -> None:
        """Raises FileNotFoundError where there is no encoder in the folder."""
        if missing := [name for name in FILES if not (Path(folder) / name).is_file()]:
            raise FileNotFoundError(f"no text encoder lies in {folder}: {missing[0]} is missing")
        # on use: half of its size is code of models that are not asked for
        from transformers import AutoModel, AutoTokenizer

        only_here = {"local_files_only": True, "trust_remote_code": False}
        self._tokens: Any = AutoTokenizer.from_pretrained(folder, **only_here)
        self._model: Any = AutoModel.from_pretrained(folder, use_safetensors=True, **only_here).eval().to(best_device())
        self._most = most_tokens
        self.width = int(self._model.config.hidden_size)
        """Numbers of a vector."""

    def encode(self, texts: Sequence[str], batch: int = 64) -> NDArray[np.float32]:
        """Vectors [N, width] of length 1. Texts of about one length are encoded together, so that little of a batch is padding."""
        found = np.zeros((len(texts), self.width), np.float32)
        order = np.array(sorted(range(len(texts)), key=lambda place: (len(texts[place]), texts[place])), np.int64)
        with torch.inference_mode():
            for start in range(0, len(order), batch):
                rows = order[start : start + batch]
                found[rows] = self._encoded([texts[row] for row in rows])
        return found

    def _encoded(self, texts: list[str]) -> NDArray[np.float32]:
        asked = self._tokens(texts, padding=True, truncation=True, max_length=self._most, return_tensors="pt")
        asked = asked.to(self._model.device)
        hidden = self._model(**asked).last_hidden_state  # [B, T, width]
        there = asked["attention_mask"].unsqueeze(-1).to(hidden.dtype)  # [B, T, 1]
        mean = (hidden * there).sum(1) / there.sum(1).clamp(min=1)
        return np.asarray(F.normalize(mean, dim=1).cpu().numpy(), np.float32)
