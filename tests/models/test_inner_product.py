"""The best N by inner product against looking at every pair, whatever the lengths, ties and heard items."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from torch import Tensor

from models import inner_product
from models.inner_product import Best, arranged, best
from models.top_n import Floats


def by_hand(users: Floats, items: Floats, heard: csr_array, most: int) -> list[list[int]]:
    """Every pair, in float64."""
    scores = users.astype(np.float64) @ items.astype(np.float64).T
    scores[:, ~(items != 0).any(1)] = -np.inf
    scores[~(users != 0).any(1)] = -np.inf
    scores[heard.toarray() != 0] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :most]
    return [[i for i in line.tolist() if scores[row, i] > -np.inf] for row, line in enumerate(order)]


def listed(found: Best, users: int) -> list[list[int]]:
    return [found.item[found.row == row].tolist() for row in range(users)]


def whole(draw: np.random.Generator, rows: int, rank: int) -> Floats:
    """Factors of small whole numbers: products are exact, and many are equal."""
    return draw.integers(-2, 3, (rows, rank)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 90), st.integers(1, 25), st.floats(0, 1))
def test_lists_are_those_of_looking_at_every_pair(seed: int, users: int, items: int, most: int, share: float) -> None:
    draw = np.random.default_rng(seed)
    x, y = whole(draw, users, 3), whole(draw, items, 3)
    heard = csr_array((draw.random((users, items)) < share).astype(np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inner_product, "TILE", 7)
        patch.setattr(inner_product, "USERS", 11)
        found = best(x, arranged(y), heard, most)
    assert listed(found, users) == by_hand(x, y, heard, most)
    assert all(found.rank[found.row == row].tolist() == list(range((found.row == row).sum())) for row in range(users))
    np.testing.assert_array_equal(found.score, (x[found.row] * y[found.item]).sum(1))


def test_items_of_very_different_length_are_settled_in_float64() -> None:
    draw = np.random.default_rng(3)
    y = (draw.normal(size=(20_000, 16)) * 10.0 ** draw.uniform(-4, 0, (20_000, 1))).astype(np.float32)
    # neighbours that float32 cannot tell apart
    y[10_000:] = y[:10_000] * np.float32(1 + 1e-7)
    x = draw.normal(size=(300, 16)).astype(np.float32)
    nothing = csr_array((300, 20_000), dtype=np.float32)
    assert listed(best(x, arranged(y), nothing, 20), 300) == by_hand(x, y, nothing, 20)


def test_a_user_is_done_where_no_item_left_can_reach_its_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of the catalogue is short: it must not be scored."""
    draw = np.random.default_rng(4)
    y = draw.normal(size=(50_000, 8)).astype(np.float32)
    y[2_000:] *= 1e-3
    shelf, seen = arranged(y), []
    kept = inner_product._floor

    def counted(scores: Tensor, floor: Tensor, most: int) -> Tensor:
        seen.append(scores.numel())
        return kept(scores, floor, most)

    monkeypatch.setattr(inner_product, "_floor", counted)
    best(draw.normal(size=(200, 8)).astype(np.float32), shelf, csr_array((200, 50_000), dtype=np.float32), 20)
    assert sum(seen) < 0.1 * 200 * 50_000


def test_nobody_gets_nothing() -> None:
    found = best(
        np.empty((0, 4), np.float32), arranged(np.ones((3, 4), np.float32)), csr_array((0, 3), dtype=np.float32), 5
    )
    assert found.row.size == found.item.size == found.score.size == 0
