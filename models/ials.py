"""Implicit ALS: how items and users get their factors (Hu, Koren, Volinsky 2008; Rendle et al. 2022).

    L(X, Y) = sum over (u, i) in S of (a + s_ui) (1 - x_u . y_i)^2  +  a  sum over all other (u, i) of (x_u . y_i)^2
              + lambda ( sum over u of (n_u + a |I|)^nu |x_u|^2  +  sum over i of (n_i + a |U|)^nu |y_i|^2 )

S: the pairs that somebody likes, s_ui > 0 how much; n_u, n_i: how many of them a user or an item has; a: what a pair weighs of
which nothing is known. This is Hu's objective by 1 / alpha (a = 1 / alpha, its confidence 1 + alpha s) with the frequency-scaled
regularisation of Rendle et al. (their Eq. 7; nu = 1 is their best, nu = 0 is Hu's). A half-step fixes one side; each row of the
other is then a least-squares problem of its own:

    (a Y'Y + sum over i in S_u of s_ui y_i y_i' + lambda (n_u + a |I|)^nu 1) x_u = sum over i in S_u of (a + s_ui) y_i

`approach` takes a few steps of conjugate gradients towards it from the last factors (Takacs, Pilaszy, Tikk 2011), for all rows of
a block at once; `solve` solves it, by Cholesky. Both look at the rows of Y that the block likes and at Y'Y, and at nothing else:
that is all a worker must be sent.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from models.top_n import Floats, Ints


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
class IALSConfig:
    """Size and fit of the factorisation."""

    min_rating: float = 1.0
    """T_R: ratings from here on are likes (PMRS Eq. 2, read as R >= T_R)."""
    rank: int = 64
    """Number of latent factors."""
    iterations: int = 10
    """Alternations of users and items."""
    unobserved: float = 0.1
    """a: weight of a pair of which nothing is known."""
    regularisation: float = 0.01
    """lambda."""
    exponent: float = 1.0
    """nu of the regularisation's scale."""
    steps: int = 3
    """Of conjugate gradients in a half-step; 0: exactly, by Cholesky."""
    seed: int = 7
    """Of the first item factors."""

    @property
    def objective(self) -> Objective:
        """What these settings minimise."""
        return Objective(self.unobserved, self.regularisation, self.exponent)


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


def first(rows: int, rank: int, seed: int) -> Tensor:
    """The factors from which a cold fit starts [rows, F]: normal, of expected length 0.1 (Rendle et al., section 3.3)."""
    scale: float = 0.1 / rank**0.5
    return torch.randn(rows, rank, generator=torch.Generator().manual_seed(seed)) * scale


def approach(likes: csr_array, side: Fixed, start: Tensor, objective: Objective, steps: int) -> Tensor:
    """[B, F] float32: `steps` of conjugate gradients from `start` [B, F]; `likes` [B, I]: strengths, a column per row of Y.

    Rows of about equal length go together, so few that what they need of Y is fetched once and stays in the processor's cache
    for all the steps.
    """
    items, gram = side.factors, (objective.unobserved * side.gram).to(side.factors)
    found = torch.zeros_like(start)
    for rows, columns, strength in _stacked(likes, items, CACHED):
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


def _stacked(likes: csr_array, items: Tensor, cells: int, least: int = 1) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
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
    for rows, columns, strength in _stacked(likes, items, CELLS, items.shape[1]):
        mine = items[columns]  # [b, n, F]
        left = mine.mT @ (mine * strength[:, :, None]) + unseen
        penalty = objective.penalty((strength > 0).sum(1, keepdim=True).to(items), side.rows)
        left.diagonal(dim1=1, dim2=2).add_(penalty)
        weights = torch.where(strength > 0, strength + objective.unobserved, 0.0)
        yield Stack(rows, columns, weights, torch.linalg.cholesky(left))


def solve(likes: csr_array, side: Fixed, objective: Objective) -> Tensor:
    """[B, F] float64: exactly; zeros for whoever likes nothing. `likes` [B, I]: strengths."""
    items = side.factors.double()
    found = torch.zeros(likes.shape[0], items.shape[1], dtype=torch.float64, device=items.device)
    for stack in stacks(likes, side, objective):
        found[stack.rows] = stack.solve(items)
    return found


def half_step(likes: csr_array, side: Fixed, start: Tensor, config: IALSConfig) -> Tensor:
    """The rows' new factors [B, F] float32, by as many steps as the config has."""
    if config.steps:
        return approach(likes, side, start, config.objective, config.steps)
    return solve(likes, side, config.objective).float()


BLOCK_LIKES = 400_000
"""Likes of a block of rows, about: what one task solves in a second or two."""


def block_rows(rows: int, likes: int) -> int:
    """How many rows a block has where so many have so many likes. It depends on the data alone, so that results do."""
    return max(1, -(-rows // max(1, -(-likes // BLOCK_LIKES))))


def fit(
    ratings: csr_array,
    config: IALSConfig,
    start: Floats | None = None,
    told: Callable[[int], object] = lambda _: None,
    threads: int = 0,
) -> Floats:
    """Item factors Y [I, F] of `ratings` [U, I], on one machine: blocks of rows are dealt out to threads.

    `start`: Y of a fit before; `told`: hears of each iteration; `threads`: 0: as many as there are cores. The same bits
    whatever their number.
    """
    likes = strengths(ratings, config.min_rating)
    listeners = csr_array(likes.T.tocsr())
    items = first(likes.shape[1], config.rank, config.seed) if start is None else torch.from_numpy(start.copy())
    users = torch.zeros(likes.shape[0], config.rank)
    # a thread each for torch too: it would deal out every small product anew
    with ThreadPoolExecutor(threads or os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool:

        def step(rows: csr_array, other: Tensor, own: Tensor) -> Tensor:
            side, size = pool.submit(fixed, other).result(), block_rows(rows.shape[0], rows.nnz)
            spans = [slice(begin, begin + size) for begin in range(0, rows.shape[0], size)]
            return torch.cat(list(pool.map(lambda span: half_step(rows[span], side, own[span], config), spans)))

        for iteration in range(config.iterations):
            users = step(likes, items, users)
            items = step(listeners, users, items)
            told(iteration + 1)
    return np.asarray(items.numpy())


def loss(likes: csr_array, users: NDArray[np.floating], items: NDArray[np.floating], objective: Objective) -> float:
    """L(X, Y), without the I x U scores: the square over all pairs is the trace of X'X Y'Y."""
    mine, theirs = users.astype(np.float64), items.astype(np.float64)
    rows = np.repeat(np.arange(likes.shape[0]), np.diff(likes.indptr))
    scores = np.einsum("nf,nf->n", mine[rows], theirs[likes.indices])
    a = objective.unobserved
    seen = ((a + likes.data) * (1.0 - scores) ** 2 - a * scores**2).sum()
    every = a * np.sum((mine.T @ mine) * (theirs.T @ theirs))
    counts = np.diff(likes.indptr), np.bincount(likes.indices, minlength=len(items))
    by_user, by_item = (
        objective.penalty(torch.from_numpy(count).double(), across).numpy()
        for count, across in zip(counts, (len(items), len(users)), strict=True)
    )
    return float(seen + every + by_user @ (mine**2).sum(1) + by_item @ (theirs**2).sum(1))
