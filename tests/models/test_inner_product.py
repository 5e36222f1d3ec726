"""The exact best tracks by factors: equal to sorting every score, whatever the blocks and tiles are."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.inner_product import Found, arrange, best
from models.top_n import Floats, Ints


def sorted_out(
    users: NDArray[np.float64], items: Floats, heard: csr_array, shelf: Ints, sizes: tuple[int, int]
) -> dict[tuple[int, int], list[int]]:
    """Every score, sorted."""
    scores = (users[:, None, :] * items.astype(np.float64)).sum(2)
    scores[heard.toarray() > 0] = -np.inf
    found = {}
    for row, line in enumerate(scores):
        for which, most in ((-1, sizes[0]), *((s, sizes[1]) for s in range(int(shelf.max()) + 1))):
            allowed = np.flatnonzero(np.isfinite(line) & ((which < 0) | (shelf == which)))
            chosen = allowed[np.lexsort((allowed, -line[allowed]))][:most]
            if chosen.size:
                found[row, which] = chosen.tolist()
    return found


def as_lists(found: Found) -> dict[tuple[int, int], list[int]]:
    lists: dict[tuple[int, int], list[int]] = {}
    for row, which, item in zip(found.row.tolist(), found.list.tolist(), found.item.tolist(), strict=True):
        lists.setdefault((row, which), []).append(item)
    return lists


@given(st.integers(0, 10_000), st.integers(1, 90), st.sampled_from([1, 7, 64]), st.integers(0, 6), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_lists_are_those_of_sorting_every_score(
    seed: int, tracks: int, tile: int, per_shelf: int, shelves: int
) -> None:
    draw = np.random.default_rng(seed)
    items = (draw.normal(size=(tracks, 4)) * draw.random((tracks, 1)) ** 4).astype(np.float32)
    items[draw.integers(0, tracks, tracks // 3)] = items[0]  # equal tracks are told apart by number
    users = draw.normal(size=(9, 4))
    users[2] = 0
    heard = csr_array((draw.random((9, tracks)) < 0.2).astype(np.float32))
    shelf = draw.integers(0, shelves, tracks)
    laid = arrange(items, shelf, tile=tile)
    assert as_lists(best(torch.from_numpy(users), heard, laid, 8, per_shelf)) == sorted_out(
        users, items, heard, shelf, (8, per_shelf)
    )


def test_blocks_change_nothing() -> None:
    draw = np.random.default_rng(3)
    items = draw.normal(size=(3_000, 16)).astype(np.float32)
    users, heard = (
        torch.from_numpy(draw.normal(size=(50, 16))),
        csr_array((draw.random((50, 3_000)) < 0.01).astype(np.float32)),
    )
    laid = arrange(items, tile=256)
    whole = best(users, heard, laid, 20)
    for size in (1, 7):
        parts = [best(users[at : at + size], heard[at : at + size], laid, 20) for at in range(0, 50, size)]
        np.testing.assert_array_equal(np.concatenate([part.item for part in parts]), whole.item)
        np.testing.assert_array_equal(np.concatenate([part.score for part in parts]), whole.score)


def test_tracks_that_cannot_reach_a_list_are_never_multiplied() -> None:
    draw = np.random.default_rng(4)
    items = draw.normal(size=(1_000, 8)).astype(np.float32)
    items[100:] *= 1e-3
    users, heard = torch.from_numpy(draw.normal(size=(40, 8))), csr_array((40, 1_000), dtype=np.float32)
    laid = arrange(items, tile=100)
    expected = best(users, heard, laid, 20)
    laid.items[100:] = torch.nan
    np.testing.assert_array_equal(best(users, heard, laid, 20).score, expected.score)


def test_who_has_heard_everything_gets_nothing() -> None:
    laid = arrange(np.ones((5, 2), dtype=np.float32))
    heard = csr_array(np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 1]], dtype=np.float32))
    found = best(torch.ones(2, 2, dtype=torch.float64), heard, laid, 3)
    assert (found.row.tolist(), found.item.tolist()) == ([1], [3])
