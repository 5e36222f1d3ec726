"""Queries with sequences, and re-ranking."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from models.data.sessions import SessionQueries
from models.queries import Queries, Sequences
from models.topk import rerank
from models.types import F32, I64

SEQUENCES = Sequences(np.array([0, 3, 3, 5]), np.array([4, 2, 4, 1, 0]))


def queries() -> Queries:
    user_items = csr_array((np.ones(4, np.float32), ([0, 0, 2, 2], [2, 4, 0, 1])), shape=(3, 5))
    return Queries(user_items, SEQUENCES)


def test_a_slice_of_queries_has_the_rows_and_sequences_of_these_queries() -> None:
    last = queries()[1:3]
    assert last.user_items.toarray().tolist() == [[0, 0, 0, 0, 0], [1, 1, 0, 0, 0]]
    assert last.sequences is not None
    assert (last.sequences.indptr.tolist(), last.sequences.items.tolist()) == ([0, 0, 2], [1, 0])
    beyond = queries()[2:100]
    assert (len(beyond), beyond.sequences and beyond.sequences.items.tolist()) == (1, [1, 0])


def test_padded_sequences_keep_the_last_items_on_the_right() -> None:
    assert SEQUENCES.padded(2, 9).tolist() == [[2, 4], [9, 9], [1, 0]]
    assert SEQUENCES.padded(4, 9).tolist() == [[9, 4, 2, 4], [9, 9, 9, 9], [9, 9, 1, 0]]


def test_sequences_of_other_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="2 queries cannot have 3 sequences"):
        Queries(csr_array((2, 5), dtype=np.float32), SEQUENCES)


class NextItem:
    """Prefers candidates close above the last item played."""

    def score(self, queries: SessionQueries, candidates: I64) -> F32:
        last = queries.padded(1, 0)
        return np.asarray(-np.abs(candidates - last - 1), np.float32)


def test_rerank_orders_candidates_by_score_then_id_and_skips_padding() -> None:
    candidates = np.array([[0, 3, 4], [2, 0, -1], [3, 2, -1]])
    starts, ends = np.array([0, 3, 3]), np.array([3, 3, 5])
    given = SessionQueries(np.array([4, 2, 4, 1, 0]), np.zeros(5), starts, ends, starts, starts, starts)
    row, item, score = rerank(NextItem(), given, candidates, 2)
    assert row.tolist() == [0, 0, 1, 1, 2, 2]
    assert item.tolist() == [4, 3, 0, 2, 2, 3]  # 0 and 2 are as far from 1
    assert score.tolist() == [-1, -2, -1, -1, -1, -2]


@pytest.mark.parametrize(
    "rows", [slice(None), slice(1, 2), slice(None, -1), slice(-2, None), slice(2, 9), slice(5, 9), slice(2, 1)]
)
def test_slices_of_sequences_equal_slices_of_a_list(rows: slice) -> None:
    plays = [[4, 1], [], [2, 2, 3]]
    sequences = Sequences(np.array([0, 2, 2, 5]), np.array([4, 1, 2, 2, 3]))
    part = sequences[rows]
    assert [part.items[a:b].tolist() for a, b in zip(part.indptr, part.indptr[1:], strict=False)] == plays[rows]


def test_a_slice_with_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="step 1, not 2"):
        Sequences(np.array([0, 1, 2]), np.array([4, 1]))[::2]
