"""One half-step of implicit ALS: solve the rows of one side while the other side is fixed (objective: models/ials.py).

Each row is a least-squares problem A x_u = b of its own (Hu, Koren, Volinsky 2008, Eq. 4):

    A = a Y'Y + sum over i in S_u of s_ui y_i y_i' + lambda (n_u + a |I|)^nu I,     b = sum over i in S_u of (a + s_ui) y_i

`solve_cg` takes a few conjugate-gradient steps from the previous factors (Takacs, Pilaszy, Tikk 2011). `solve` solves
exactly. Both read only Y'Y and the rows of Y that the block interacts with: a worker needs nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from models.als_kernel import cg_rows, contribution_rows
from models.padded_batches import PaddedBatch, padded_batches
from models.types import F32, I64

CG_BATCH_CELLS = 500_000
"""Cells of gathered factors per padded batch of conjugate gradients: 2 MB of float32."""
CHOLESKY_BATCH_CELLS = 4_000_000
"""The same for batches of Cholesky factorizations: 32 MB of float64."""
MAX_CG_STEPS = 1_000
"""Limit for exact solutions; without rounding errors as many steps as factors would do."""


@dataclass(frozen=True)
class ALSObjective:
    """Weights of the objective."""

    unobserved_weight: float = 0.1
    """a (alpha_0 of Rendle et al.; implicit's 1 / alpha): weight of an unobserved pair; a single play weighs 1."""
    regularization: float = 0.01
    """lambda."""
    exponent: float = 1.0
    """nu of the frequency-scaled regularization; 0: the same for all rows, as in implicit."""
    frequency_includes_unobserved: bool = True
    """Whether unobserved pairs count in a row's frequency, as in Rendle et al.; MLlib counts interactions only."""

    def penalty(self, counts: Tensor, n_cols: int) -> Tensor:
        """Return lambda (n + a n_cols)^nu for rows with `counts` [B] interactions; the other side has `n_cols` rows."""
        frequency = counts + self.unobserved_weight * n_cols if self.frequency_includes_unobserved else counts
        return self.regularization * frequency**self.exponent


@dataclass(frozen=True)
class FixedSide:
    """The side that a half-step keeps fixed."""

    factors: Tensor
    """Y [I, F], or the rows of it that the block's columns refer to."""
    gram: Tensor
    """Y'Y [F, F] of the complete side."""
    n_rows: int
    """|I| of the complete side."""


def with_gram(factors: Tensor) -> FixedSide:
    """Return a complete side with its Gram matrix.

    One thread sums it: with more, the last bits would depend on the machine.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gram = torch.zeros(factors.shape[1], factors.shape[1], dtype=torch.float64, device=factors.device)
    for start in range(0, len(factors), 65_536):
        chunk = factors[start : start + 65_536].double()
        gram += chunk.T @ chunk
    torch.set_num_threads(threads)
    return FixedSide(factors, gram, len(factors))


def solve_cg(weights: csr_array, side: FixedSide, x0: Tensor, objective: ALSObjective, steps: int) -> Tensor:
    """Return factors [B, F] float32 after `steps` of conjugate gradients from `x0` [B, F].

    `weights` [B, I]: s, one column per row of Y. Runs the compiled kernel on a CPU, and in torch on a GPU.
    """
    if x0.is_cuda:
        return solve_cg_batched(weights, side, x0, objective, steps)
    return _solve_cg_compiled(weights, side, x0, objective, steps, 1e-14)


def _solve_cg_compiled(
    weights: csr_array, side: FixedSide, x0: Tensor, objective: ALSObjective, steps: int, tolerance: float
) -> Tensor:
    """Run the compiled kernel in the dtype of `x0` [B, F]."""
    dtype = x0.dtype
    counts = torch.from_numpy(np.diff(weights.indptr)).to(dtype)
    x = torch.empty_like(x0)
    cg_rows(
        (0,) * x0.shape[1],
        weights.indptr.astype(np.int64),
        weights.indices.astype(np.int32),
        torch.from_numpy(weights.data).to(dtype).numpy(),
        side.factors.numpy(),
        (objective.unobserved_weight * side.gram).to(dtype).numpy(),
        objective.penalty(counts, side.n_rows).numpy(),
        torch.tensor(objective.unobserved_weight, dtype=dtype).item(),
        x0.numpy(),
        steps,
        tolerance,
        x.numpy(),
    )
    return x


def solve_cg_batched(weights: csr_array, side: FixedSide, x0: Tensor, objective: ALSObjective, steps: int) -> Tensor:
    """Return the same as `solve_cg`, computed in torch for padded batches of rows of similar length.

    Batches are so small that their gathered factors stay in the cache for all steps.
    """
    Y, gram = side.factors, (objective.unobserved_weight * side.gram).to(side.factors)
    x = torch.zeros_like(x0)
    for batch in padded_batches(weights, Y, CG_BATCH_CELLS):
        Y_u = Y.index_select(0, batch.columns.flatten()).view(*batch.columns.shape, -1)  # [b, n, F]
        counts = (batch.weights > 0).sum(1, keepdim=True).to(Y)
        penalty = objective.penalty(counts, side.n_rows)  # [b, 1]
        targets = _targets(batch, objective)
        x[batch.rows] = _conjugate_gradients(Y_u, batch.weights, targets, gram, penalty, x0[batch.rows], steps)
    return x


def _targets(batch: PaddedBatch, objective: ALSObjective) -> Tensor:
    """Return a + s [b, n], 0 for padding."""
    return torch.where(batch.weights > 0, batch.weights + objective.unobserved_weight, 0.0)


def _conjugate_gradients(
    Y_u: Tensor, s: Tensor, targets: Tensor, gram: Tensor, penalty: Tensor, x0: Tensor, steps: int
) -> Tensor:
    """Take `steps` from `x0` [b, F]; `Y_u` [b, n, F], `s` and `targets` (a + s) [b, n], `penalty` [b, 1]."""

    def observed(p: Tensor) -> Tensor:
        return s * (Y_u * p[:, None, :]).sum(2)

    def weighted_sum(coefficients: Tensor) -> Tensor:
        return torch.bmm(coefficients[:, None, :], Y_u)[:, 0]

    x = x0
    r = weighted_sum(targets - observed(x)) - x @ gram - penalty * x
    p, rr = r, _row_dot(r, r)
    for _ in range(steps):
        Ap = weighted_sum(observed(p)) + p @ gram + penalty * p
        # solved rows have p = 0
        alpha = rr / _row_dot(p, Ap).clamp(min=1e-30)
        x = x + alpha * p
        r = r - alpha * Ap
        rr_next = _row_dot(r, r)
        p = r + rr_next / rr.clamp(min=1e-30) * p
        rr = rr_next
    return x


def _row_dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(1, keepdim=True)


def solve(weights: csr_array, side: FixedSide, objective: ALSObjective) -> Tensor:
    """Return exact factors [B, F] float64; zeros for empty rows. `weights` [B, I]: s.

    On a CPU, runs compiled conjugate gradients until the residual vanishes; on a GPU, batched Cholesky factorizations.
    """
    if side.factors.is_cuda:
        return solve_batched(weights, side, objective)
    x0 = torch.zeros(weights.shape[0], side.factors.shape[1], dtype=torch.float64)
    return _solve_cg_compiled(weights, side, x0, objective, MAX_CG_STEPS, 1e-24)


def solve_batched(weights: csr_array, side: FixedSide, objective: ALSObjective) -> Tensor:
    """Return the same as `solve`, by Cholesky factorizations of padded batches, on the device of the factors."""
    Y = side.factors.double()
    gram = objective.unobserved_weight * side.gram.to(Y)
    x = torch.zeros(weights.shape[0], Y.shape[1], dtype=Y.dtype, device=Y.device)
    for batch in padded_batches(weights, Y, CHOLESKY_BATCH_CELLS, Y.shape[1]):
        Y_u = Y[batch.columns]  # [b, n, F]
        A = Y_u.mT @ (Y_u * batch.weights[:, :, None]) + gram
        counts = (batch.weights > 0).sum(1, keepdim=True).to(Y)
        A.diagonal(dim1=1, dim2=2).add_(objective.penalty(counts, side.n_rows))
        b = Y_u.mT @ _targets(batch, objective)[:, :, None]
        x[batch.rows] = torch.cholesky_solve(b, torch.linalg.cholesky(A))[:, :, 0]
    return x


def contributions(weights: csr_array, side: FixedSide, objective: ALSObjective, item_ids: Sequence[I64]) -> list[F32]:
    """Return the contribution of each history item of a row to the scores of its `item_ids` [N]: [N, n] float32 per
    row.

    x_u . y_i = sum over j in S_u of (y_i' A^-1 y_j) (a + s_uj)       (Hu, Koren, Volinsky, section 5)

    Runs compiled on the CPU. Raises ValueError if A is singular for lack of regularization.
    """
    counts = np.diff(weights.indptr)
    sizes = np.array([items.size for items in item_ids], np.int64)
    flat = np.empty(int(sizes @ counts), np.float32)
    positive_definite = contribution_rows(
        (0,) * side.factors.shape[1],
        weights.indptr.astype(np.int64),
        weights.indices.astype(np.int32),
        weights.data.astype(np.float64),
        side.factors.cpu().numpy(),
        (objective.unobserved_weight * side.gram).cpu().numpy(),
        objective.penalty(torch.from_numpy(counts).double(), side.n_rows).numpy(),
        objective.unobserved_weight,
        np.append(0, np.cumsum(sizes)),
        np.concatenate([*item_ids, np.empty(0, np.int64)]),
        flat,
    )
    if not positive_definite:
        raise ValueError("A row of implicit ALS is not positive definite; set a regularization above 0.")
    parts = np.split(flat, np.cumsum(sizes * counts))[:-1]
    return [part.reshape(size, count) for part, size, count in zip(parts, sizes, counts, strict=True)]
