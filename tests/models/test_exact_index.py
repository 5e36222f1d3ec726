"""The exact best N does not look at every item; that it finds them all: tests/models/test_best.py."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from torch import Tensor

from models import exact_index
from models.exact_index import build_index, search


def test_a_user_is_done_where_no_item_left_can_reach_its_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of the catalogue is short: it must not be scored."""
    draw = np.random.default_rng(4)
    y = draw.normal(size=(50_000, 8)).astype(np.float32)
    y[2_000:] *= 1e-3
    shelf, seen = build_index(y), []
    kept = exact_index._tile_threshold

    def counted(scores: Tensor, floor: Tensor, most: int) -> Tensor:
        seen.append(scores.numel())
        return kept(scores, floor, most)

    monkeypatch.setattr(exact_index, "_tile_threshold", counted)
    search(draw.normal(size=(200, 8)).astype(np.float32), shelf, csr_array((200, 50_000), dtype=np.float32), 20)
    assert sum(seen) < 0.1 * 200 * 50_000
