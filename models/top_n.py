"""What every recommender of this house answers, and the exact best N of it.

A recommender is fitted on ratings R [U, I] (sparse; a stored 0 is a track that was heard and not liked) and answers for whoever
asks with ratings [Q, I]: users it has learned from, users it has never seen, or the tracks of one session.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Offered = Literal["unheard", "heard", "all"]
"""Which tracks may stand in a list: those the asker has not rated, those the asker has, or every one."""


class TooLarge(ValueError):
    """A method that does not fit data of this size into memory, with the numbers."""


Tensors = dict[str, NDArray[Any]]
"""A model's arrays by name, as safetensors keeps them."""


class Recommender(Protocol):
    """One fitted model."""

    def score(self, asked: csr_array) -> Floats:
        """[Q, I] float32: the higher the better, comparable within one row; 0 exactly: nothing is known that speaks for or
        against it. `asked` [Q, I]: ratings of whoever asks.
        """

    def carried(self, asked: csr_array, picked: Sequence[Ints]) -> list[Floats]:
        """What carried the scores: for each row of `asked` [Q, I] and the items `picked` for it [n], [n, H].

        H are the row's ratings in their order; each number is what that rating adds to the item's score.
        """

    def tensors(self) -> Tensors:
        """Everything that was learned."""


def top_n(
    model: Recommender, asked: csr_array, most: int, offered: Offered = "unheard", block: int = 500
) -> Iterator[tuple[Ints, Ints, Floats]]:
    """(row, item, score) of the best `most` items of each row of `asked`, best first, ties by item number; exact.

    Rows come in blocks of `block`: a block of 500 x 50,000 tracks is 100 MB of scores. Rows may have fewer items than `most`.
    """
    for start in range(0, asked.shape[0], block):
        rows = asked[start : start + block]
        scores = np.array(model.score(rows), dtype=np.float32)
        if offered != "all":
            heard = np.zeros(scores.shape, dtype=bool)
            heard[np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)), rows.indices] = True
            scores[heard if offered == "unheard" else ~heard] = -np.inf
        row, item = _best(scores, most)
        yield row + start, item, scores[row, item]


def _best(scores: Floats, most: int) -> tuple[Ints, Ints]:
    """Row and column of the `most` largest finite scores of each row, best first, ties by column."""
    rows: list[Ints] = []
    items: list[Ints] = []
    for place, line in enumerate(scores):
        allowed = np.flatnonzero(np.isfinite(line))
        allowed = worth_sorting(line, allowed, most)
        chosen = allowed[np.lexsort((allowed, -line[allowed]))][:most]
        rows.append(np.full(chosen.size, place, dtype=np.int64))
        items.append(chosen)
    return np.concatenate(rows), np.concatenate(items)


def worth_sorting(scores: NDArray[np.floating], allowed: Ints, most: int) -> Ints:
    """Those of `allowed` that can be among the `most` best: everything from the most-th score on, ties included."""
    if allowed.size <= 4 * most:
        return allowed
    least = np.partition(scores[allowed], allowed.size - most)[allowed.size - most]
    return np.asarray(allowed[scores[allowed] >= least])


def by_weights(
    asked: csr_array, picked: Sequence[Ints], weights: Callable[[Ints, Ints], Floats], least: float
) -> list[Floats]:
    """`carried` of a model whose score is a sum of weights between liked tracks and items: `weights`(history, items) [H, n]."""
    found = []
    for row, items in enumerate(picked):
        span = slice(asked.indptr[row], asked.indptr[row + 1])
        found.append((weights(asked.indices[span], items) * (asked.data[span, None] >= least)).T)
    return found


def strongest(carried: Floats, history: Ints, ratings: Floats) -> Ints:
    """For each item the track of the `history` [H] that carried most of its score: `carried` [n, H]; -1 where none did.

    Of tracks that carried as much the best rated is told, then the first.
    """
    if history.size == 0:
        return np.full(len(carried), -1, dtype=np.int64)
    best_first = np.lexsort((history, -ratings))
    # rounded, so that equals are not told apart by the last bit
    said = carried[:, best_first].round(6)
    return np.where(said.max(axis=1) > 0, history[best_first][np.argmax(said, axis=1)], -1)


def liked(ratings: csr_array, least: float) -> csr_array:
    """1 where a rating is at least `least` (PMRS's T_R), nothing elsewhere: [same shape] float32."""
    kept = ratings.copy()
    kept.data = (kept.data >= least).astype(np.float32)
    kept.eliminate_zeros()
    return kept
