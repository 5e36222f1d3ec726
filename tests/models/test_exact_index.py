"""The exact search prunes; tests/models/test_ivf_index.py checks its results."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from torch import Tensor

from models import exact_index
from models.exact_index import build_index, search


def test_search_stops_when_no_remaining_item_can_enter_the_top_k(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most items have a small norm and must not be scored."""
    draw = np.random.default_rng(4)
    y = draw.normal(size=(50_000, 8)).astype(np.float32)
    y[2_000:] *= 1e-3
    shelf, seen = build_index(y), []
    tile_threshold = exact_index._tile_threshold

    def counted(scores: Tensor, floor: Tensor, k: int) -> Tensor:
        seen.append(scores.numel())
        return tile_threshold(scores, floor, k)

    monkeypatch.setattr(exact_index, "_tile_threshold", counted)
    search(draw.normal(size=(200, 8)).astype(np.float32), shelf, csr_array((200, 50_000), dtype=np.float32), 20)
    assert sum(seen) < 0.1 * 200 * 50_000
