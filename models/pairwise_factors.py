"""Factors and biases that order pairs (models/bpr.py), asked by anybody: a user's factors are those that the same loss gives.

    min over x of  mean over i in S_u, j in R without S_u of -ln sigma(s_i - s_j)  +  lambda / 2 |x|^2,    s_i = x . y_i + b_i

with the items' rows fixed, and instead of tracks drawn anew the same rivals R for everybody, drawn evenly when the model was
learned. It is strictly convex; from 0 a fixed number of Nesterov's accelerated steps (1983) go towards its minimum, of a length
that each asker's own curvature allows. All steps add up multiples of y_i - y_j, so that a_ij remain of which

    x = sum over i, j of a_ij (y_i - y_j),    score(c) = b_c + sum over i of [ sum over j of a_ij (y_i - y_j) ] . y_c

holds exactly, after however many steps: what each like i carries is its bracket times y_c, and b_c is carried by nobody. The
factors that the fit gave the users it learned from are not kept: they are answered like everybody else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from models.als_rows import stacked
from models.top_n import Floats, Ints, Tensors, liked

CELLS = 2_000_000
"""Pairs of likes and rivals of the askers that are answered together: 8 MB, and five such arrays live at a time."""


@dataclass(frozen=True)
class FoldIn:
    """How the factors of whoever asks are found."""

    regularisation: float = 0.01
    """lambda."""
    steps: int = 30


@dataclass(frozen=True)
class _Asker:
    """Askers who are answered together, being of about equal length."""

    rows: Tensor
    """[b] of the asked."""
    liked: Tensor
    """y_i [b, n, F]."""
    ahead: Tensor
    """b_i - b_j [b, n, J]."""
    weights: Tensor
    """What each pair weighs in the mean [b, n, J]; 0 where the rival is liked, and where a row is shorter than n."""


@dataclass(frozen=True)
class PairwiseFactors:
    """Item factors and biases with what they are asked by."""

    factors: Floats
    """Y [I, F]; rows of zeros for tracks without a listener."""
    biases: Floats
    """b [I]; 0 for tracks without a listener."""
    rivals: Ints
    """R [J]: tracks with a listener."""
    asking: FoldIn
    min_rating: float = 1.0
    """T_R."""

    @cached_property
    def _items(self) -> Tensor:
        return torch.from_numpy(self.factors)

    @cached_property
    def _theirs(self) -> Tensor:
        """y_j [J, F]."""
        return self._items[torch.from_numpy(self.rivals)]

    def fold_in(self, asked: csr_array) -> Floats:
        """x_u [Q, F] float32; zeros for whoever likes nothing."""
        found = torch.zeros(asked.shape[0], self.factors.shape[1])
        for asker in self._together(asked):
            found[asker.rows] = self._sum(asker, self._pulls(asker))
        return np.asarray(found.numpy())

    def score(self, asked: csr_array) -> Floats:
        """[Q, I]; whoever likes nothing is told the biases."""
        return np.asarray(self.fold_in(asked) @ self.factors.T + self.biases)

    def carried(self, asked: csr_array, picked: Sequence[Ints]) -> list[Floats]:
        """What each like adds to a score; the item's bias is what they leave open."""
        lengths = np.diff(asked.indptr)
        found = [np.zeros((items.size, lengths[row]), np.float32) for row, items in enumerate(picked)]
        for asker in self._together(asked):
            pulls = self._pulls(asker)
            by_like = (pulls.sum(2, keepdim=True) * asker.liked - pulls @ self._theirs).numpy()  # [b, n, F]
            for place, row in enumerate(asker.rows.tolist()):
                likes = asked.data[asked.indptr[row] : asked.indptr[row + 1]] >= self.min_rating
                found[row][:, likes] = self.factors[picked[row]] @ by_like[place, : likes.sum()].T
        return found

    def tensors(self) -> Tensors:
        """`factors` [I, F], `biases` [I], `rivals` [J]."""
        return {"factors": self.factors, "biases": self.biases, "rivals": self.rivals}

    def _together(self, asked: csr_array) -> Iterator[_Asker]:
        """Everybody who likes something."""
        kept, biases = liked(asked, self.min_rating), torch.from_numpy(self.biases)
        for rows, columns, likes in stacked(
            kept, self._items, CELLS * self.factors.shape[1] // max(1, self.rivals.size)
        ):
            unliked = 1.0 - torch.from_numpy(kept[rows.numpy()][:, self.rivals].toarray())
            pairs = likes[:, :, None] * unliked[:, None, :]
            weights = pairs / pairs.sum((1, 2), keepdim=True).clamp(min=1.0)
            ahead = biases[columns][:, :, None] - biases[torch.from_numpy(self.rivals)]
            yield _Asker(rows, self._items[columns], ahead, weights)

    def _pulls(self, asker: _Asker) -> Tensor:
        """The a_ij [b, n, J]."""
        # without regularisation, an asker whose pairs are all alike bends nothing
        rate = 1.0 / (self.asking.regularisation + self._curvature(asker)).clamp(min=1e-9)[:, None, None]
        found = before = torch.zeros_like(asker.weights)
        for step in range(self.asking.steps):
            further = found + step / (step + 3) * (found - before)
            x = self._sum(asker, further)[:, :, None]
            margin = asker.liked @ x - (self._theirs @ x).mT + asker.ahead
            wrong = torch.sigmoid(-margin) * asker.weights
            before, found = found, (1.0 - rate * self.asking.regularisation) * further + rate * wrong
        return found

    def _sum(self, asker: _Asker, pulls: Tensor) -> Tensor:
        """The x [b, F]: the sum of `pulls` [b, n, J] times y_i - y_j."""
        return (pulls.sum(2)[:, None, :] @ asker.liked)[:, 0] - pulls.sum(1) @ self._theirs

    def _curvature(self, asker: _Asker) -> Tensor:
        """[b]: a quarter of the mean |y_i - y_j|^2: nowhere does the mean of -ln sigma bend more."""
        likes, rivals = asker.weights.sum(2), asker.weights.sum(1)
        lengths = (likes * (asker.liked**2).sum(2)).sum(1) + rivals @ (self._theirs**2).sum(1)
        mine = (likes[:, None, :] @ asker.liked)[:, 0]
        # every like has the same rivals, so that the mean of the products is the product of the means
        return (lengths - 2.0 * (mine * (rivals @ self._theirs)).sum(1)) / 4.0
