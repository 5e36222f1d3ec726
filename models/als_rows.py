"""One half-step of implicit ALS: the rows of one side, the other side being fixed (models/ials.py has what is minimised).

Each row is a least-squares problem of its own:

    (a Y'Y + sum over i in S_u of s_ui y_i y_i' + lambda (n_u + a |I|)^nu 1) x_u = sum over i in S_u of (a + s_ui) y_i

`approach` takes a few steps of conjugate gradients towards it from the last factors (Takacs, Pilaszy, Tikk 2011); `solve` solves
it. Both look at the rows of Y that the block likes and at Y'Y, and at nothing else: that is all a worker must be sent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from models.top_n import Floats, Ints

COMPILES = find_spec("numba") is not None
if COMPILES:
    from models.als_kernel import descend
    from models.als_shares import share


@dataclass(frozen=True)
class Objective:
    """What is minimised."""

    unobserved: float = 0.1
    """a: weight of a pair of which nothing is known, where a single play weighs 1."""
    regularisation: float = 0.01
    """lambda."""
    exponent: float = 1.0
    """nu: by how much regularisation grows with what a row weighs; 0: the same for all, as implicit has it."""
    of_everything: bool = True
    """Whether the pairs of which nothing is known count in that weight, as Rendle et al. have it; MLlib counts the likes only."""

    def penalty(self, likes: Tensor, across: int) -> Tensor:
        """The penalty lambda (n + a across)^nu of rows with so many `likes` [B], the other side having `across` rows."""
        weight = likes + self.unobserved * across if self.of_everything else likes
        return self.regularisation * weight**self.exponent


@dataclass(frozen=True)
class Fixed:
    """The side that a half-step fixes."""

    factors: Tensor
    """Y [I, F], or those rows of it that the block's columns stand for."""
    gram: Tensor
    """Y'Y [F, F] of the whole side."""
    rows: int
    """|I| of the whole side."""


def fixed(factors: Tensor) -> Fixed:
    """A whole side. Its sums are one thread's: with more of them their order, and the last bits, would depend on the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gram = torch.zeros(factors.shape[1], factors.shape[1], dtype=torch.float64, device=factors.device)
    for begin in range(0, len(factors), 65_536):
        part = factors[begin : begin + 65_536].double()
        gram += part.T @ part
    torch.set_num_threads(threads)
    return Fixed(factors, gram, len(factors))


def strengths(ratings: csr_array, least: float) -> csr_array:
    """Strengths s = 1 + log2 R of what is liked (R >= `least`), nothing elsewhere: 700 plays weigh about ten times one play."""
    kept = ratings.astype(np.float64)
    kept.data = np.where(kept.data >= least, 1.0 + np.log2(np.maximum(kept.data, least)), 0.0).astype(np.float32)
    kept.eliminate_zeros()
    return kept


def approach(likes: csr_array, side: Fixed, start: Tensor, objective: Objective, steps: int) -> Tensor:
    """[B, F] float32: `steps` of conjugate gradients from `start` [B, F]; `likes` [B, I]: strengths, a column per row of Y.

    On the processor by compiled code, a row at a time (models/als_kernel.py); on a GPU, and where numba is missing, `batched`.
    """
    if start.is_cuda or not COMPILES:
        return batched(likes, side, start, objective, steps)
    return _descended(likes, side, start, objective, steps, 1e-14)


def _descended(
    likes: csr_array, side: Fixed, start: Tensor, objective: Objective, steps: int, tolerance: float
) -> Tensor:
    """By compiled code, in the precision of `start` [B, F]."""
    kind = start.dtype
    counts = torch.from_numpy(np.diff(likes.indptr)).to(kind)
    found = torch.empty_like(start)
    descend(
        (0,) * start.shape[1],
        likes.indptr.astype(np.int64),
        likes.indices.astype(np.int32),
        torch.from_numpy(likes.data).to(kind).numpy(),
        side.factors.numpy(),
        (objective.unobserved * side.gram).to(kind).numpy(),
        objective.penalty(counts, side.rows).numpy(),
        torch.tensor(objective.unobserved, dtype=kind).item(),
        start.numpy(),
        steps,
        tolerance,
        found.numpy(),
    )
    return found


def batched(likes: csr_array, side: Fixed, start: Tensor, objective: Objective, steps: int) -> Tensor:
    """As `approach`, for all rows of a block at once.

    Rows of about equal length go together, so few that what they need of Y is fetched once and stays in the processor's cache
    for all the steps.
    """
    items, gram = side.factors, (objective.unobserved * side.gram).to(side.factors)
    found = torch.zeros_like(start)
    for rows, columns, strength in stacked(likes, items, CACHED):
        mine = items.index_select(0, columns.flatten()).view(*columns.shape, -1)  # [b, n, F]
        likes_of = (strength > 0).sum(1, keepdim=True).to(items)
        ridge = objective.penalty(likes_of, side.rows)  # [b, 1]
        wanted = torch.where(strength > 0, strength + objective.unobserved, 0.0)
        found[rows] = _descend(mine, strength, wanted, gram, ridge, start[rows], steps)
    return found


def _descend(
    mine: Tensor, strength: Tensor, wanted: Tensor, gram: Tensor, ridge: Tensor, start: Tensor, steps: int
) -> Tensor:
    """`mine` [b, n, F], `strength` and `wanted` [b, n], `ridge` [b, 1], from `start` [b, F]."""

    def seen(by: Tensor) -> Tensor:
        return strength * (mine * by[:, None, :]).sum(2)

    def summed(weights: Tensor) -> Tensor:
        return torch.bmm(weights[:, None, :], mine)[:, 0]

    found = start
    residual = summed(wanted - seen(found)) - found @ gram - ridge * found
    direction, length = residual, _dots(residual, residual)
    for _ in range(steps):
        ahead = summed(seen(direction)) + direction @ gram + ridge * direction
        # a row that is solved has no way to go
        along = length / _dots(direction, ahead).clamp(min=1e-30)
        found = found + along * direction
        residual = residual - along * ahead
        shorter = _dots(residual, residual)
        direction = residual + shorter / length.clamp(min=1e-30) * direction
        length = shorter
    return found


def _dots(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(1, keepdim=True)


CACHED = 500_000
"""Numbers of Y that the rows of one stack of `approach` need together: 2 MB."""
CELLS = 4_000_000
"""Numbers that the rows of one stack of `stacks` have together: 32 MB."""


def stacked(likes: csr_array, items: Tensor, cells: int, least: int = 1) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Rows [b], columns [b, n] and strengths [b, n] of rows that have a like; where a row is shorter, of strength 0.

    So many rows that they have `cells` numbers of Y, where a row counts as one of `least` likes.
    """
    begins, counts, columns, values = (
        torch.from_numpy(part).to(items.device)
        for part in (
            likes.indptr[:-1].astype(np.int64),
            np.diff(likes.indptr).astype(np.int64),
            likes.indices,
            likes.data,
        )
    )
    for group in _of_equal_length(np.diff(likes.indptr), cells // items.shape[1], least):
        rows = torch.from_numpy(group).to(items.device)
        count = counts[rows][:, None]
        steps = torch.arange(int(count.max()), device=items.device)
        place = (begins[rows][:, None] + steps).clamp(max=len(values) - 1)
        yield rows, columns[place], torch.where(steps < count, values[place], 0.0).to(items)


def _of_equal_length(counts: Ints, together: int, least: int) -> list[Ints]:
    """Rows with a like, in groups of at most `together` likes, in which no row is longer than the shortest by over a quarter."""
    order = np.argsort(counts, kind="stable")
    ordered = counts[order]
    found, start = [], int(np.searchsorted(ordered, 1))
    while start < order.size:
        longest = int(ordered[start] * 1.25)
        most = max(1, together // max(longest, least))
        stop = min(int(np.searchsorted(ordered, longest, side="right")), start + most)
        found.append(order[start:stop])
        start = stop
    return found


@dataclass(frozen=True)
class Stack:
    """Rows of a block that are solved together, being of about equal length."""

    rows: Tensor
    """[b] of the block."""
    columns: Tensor
    """[b, n] what each likes, filled up with column 0."""
    weights: Tensor
    """[b, n] a + s of each, 0 where filled up."""
    lower: Tensor
    """[b, F, F] Cholesky's factor of each row's left side."""

    def solve(self, items: Tensor) -> Tensor:
        """The factors of the rows [b, F]; `items` Y [I, F] float64."""
        right = items[self.columns].mT @ self.weights[:, :, None]
        return torch.cholesky_solve(right, self.lower)[:, :, 0]

    def carried(self, items: Tensor, picked: Tensor) -> Tensor:
        """[b, N, n]: what each like adds to the score of each of the `picked` [b, N] (Hu, Koren, Volinsky, section 5).

        x_u . y_i = sum over j in S_u of (y_i' W_u y_j) (a + s_uj), W_u being the inverse of the row's left side.
        """
        towards = torch.cholesky_solve(items[picked].mT, self.lower)  # W_u y_i [b, F, N]
        return towards.mT @ items[self.columns].mT * self.weights[:, None, :]


def stacks(likes: csr_array, side: Fixed, objective: Objective) -> Iterator[Stack]:
    """All rows of `likes` [B, I] (strengths) that have a like, on the device of the factors, in float64."""
    items = side.factors.double()
    unseen = objective.unobserved * side.gram.to(items)
    for rows, columns, strength in stacked(likes, items, CELLS, items.shape[1]):
        mine = items[columns]  # [b, n, F]
        left = mine.mT @ (mine * strength[:, :, None]) + unseen
        penalty = objective.penalty((strength > 0).sum(1, keepdim=True).to(items), side.rows)
        left.diagonal(dim1=1, dim2=2).add_(penalty)
        weights = torch.where(strength > 0, strength + objective.unobserved, 0.0)
        yield Stack(rows, columns, weights, torch.linalg.cholesky(left))


def solve(likes: csr_array, side: Fixed, objective: Objective) -> Tensor:
    """[B, F] float64: exactly; zeros for whoever likes nothing. `likes` [B, I]: strengths.

    By compiled steps until nothing is left of the residual, which takes a third of the time of Cholesky; on a GPU, and where
    numba is missing, by Cholesky.
    """
    found = torch.zeros(likes.shape[0], side.factors.shape[1], dtype=torch.float64, device=side.factors.device)
    if COMPILES and not found.is_cuda:
        return _descended(likes, side, found, objective, MOST_STEPS, 1e-24)
    items = side.factors.double()
    for stack in stacks(likes, side, objective):
        found[stack.rows] = stack.solve(items)
    return found


def carried(likes: csr_array, side: Fixed, objective: Objective, picked: Sequence[Ints]) -> list[Floats]:
    """What each like of a row [n] adds to the scores of the items `picked` for it [N]: [N, n] float32 for each row.

    Raises ValueError (without numba torch's LinAlgError) where rows cannot be solved for lack of regularisation.
    """
    counts = np.diff(likes.indptr)
    if not COMPILES or side.factors.is_cuda:
        return _carried_by_stacks(likes, side, objective, picked)
    sizes = np.array([items.size for items in picked], np.int64)
    found = np.empty(int(sizes @ counts), np.float32)
    sound = share(
        (0,) * side.factors.shape[1],
        likes.indptr.astype(np.int64),
        likes.indices.astype(np.int32),
        likes.data.astype(np.float64),
        side.factors.numpy(),
        (objective.unobserved * side.gram).numpy(),
        objective.penalty(torch.from_numpy(counts).double(), side.rows).numpy(),
        objective.unobserved,
        np.append(0, np.cumsum(sizes)),
        np.concatenate([*picked, np.empty(0, np.int64)]),
        found,
    )
    if not sound:
        raise ValueError("The left side of a row is not positive definite: implicit ALS wants some regularisation.")
    parts = np.split(found, np.cumsum(sizes * counts))[:-1]
    return [part.reshape(size, count) for part, size, count in zip(parts, sizes, counts, strict=True)]


def _carried_by_stacks(likes: csr_array, side: Fixed, objective: Objective, picked: Sequence[Ints]) -> list[Floats]:
    found = [np.zeros((items.size, 0), np.float32) for items in picked]
    items = side.factors.double()
    for stack in stacks(likes, side, objective):
        rows = stack.rows.tolist()
        most = max(picked[row].size for row in rows)
        padded = np.stack([np.pad(picked[row], (0, most - picked[row].size)) for row in rows])
        shares = stack.carried(items, torch.from_numpy(padded).to(items.device)).float().cpu().numpy()
        for place, row in enumerate(rows):
            found[row] = shares[place, : picked[row].size, : likes.indptr[row + 1] - likes.indptr[row]]
    return found


MOST_STEPS = 1_000
"""Of conjugate gradients towards an exact solution, at the very most: without rounding as many as there are factors would do."""
