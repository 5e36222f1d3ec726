"""Compiled against batched solvers of implicit ALS on a CPU: `python -m bench.als_cholesky [RUNS]`.

Rank 64, 10 to 10,000 systems, 1 and 2 threads; medians and minima of RUNS alternating runs. Plays are synthetic
(`bench.data.likes`), and the factors are fitted to them. The tasks:

- `factorize`: Cholesky factors of given left sides, and the solutions for 20 right sides each;
- `contributions`: what each track of a user's history adds to the scores of 20 tracks;
- `solve`: the exact factors of a user; compiled by conjugate gradients, in torch by Cholesky.

Prints a line per case, and the number of users whose result changes with the blocks.
"""

import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numba import njit
from scipy.sparse import csr_array

from bench.data import likes
from models import als_solver, ials
from models.als_kernel import _cholesky, _cholesky_solve
from models.als_solver import FixedSide
from models.ials import IALSConfig
from models.padded_batches import padded_batches
from models.threads import thread_pool
from models.types import F32, F64, I64

USERS, ITEMS, PLAYS = 20_000, 20_000, 800_000
CHOSEN = 20
"""Explained tracks of a user."""
SYSTEMS = (10, 100, 1_000, 10_000)
CONFIG = IALSConfig(rank=64, iterations=5)
BlockSolver = Callable[[slice], object]
"""Computes a block of users."""


def plays() -> csr_array:
    """Return synthetic plays [U, ITEMS] of users with at least one, in random order."""
    rng = np.random.default_rng(7)
    pairs = likes(rng, PLAYS, USERS, ITEMS)
    plays_of_all = csr_array((np.ones(len(pairs[0]), np.float32), pairs), (USERS, ITEMS))
    return csr_array(plays_of_all[rng.permutation(np.flatnonzero(np.diff(plays_of_all.indptr)))])


@njit(nogil=True)
def factorize_compiled(A: F64, rhs: F64) -> None:
    """Replace `rhs` [B, F, N] by the solutions for left sides `A` [B, F, F]."""
    column = np.empty(A.shape[1])
    for row in range(A.shape[0]):
        _cholesky(A[row], column, A.shape[1])
        _cholesky_solve(A[row], rhs[row], rhs.shape[2], A.shape[1])


def factorize_batched(A: F64, rhs: F64) -> torch.Tensor:
    """Return the solutions for left sides `A` [B, F, F] and right sides `rhs` [B, F, N]."""
    return torch.cholesky_solve(torch.from_numpy(rhs), torch.linalg.cholesky(torch.from_numpy(A)))


def contributions_batched(weights: csr_array, side: FixedSide, item_ids: list[I64]) -> list[F32]:
    """Return the same as `als_solver.contributions`, by Cholesky factorizations of padded batches in torch."""
    contributions: list[F32] = [np.empty((0, 0), np.float32)] * weights.shape[0]
    Y, a = side.factors.double(), CONFIG.unobserved_weight
    for batch in padded_batches(weights, Y, als_solver.CHOLESKY_BATCH_CELLS, CONFIG.rank):
        Y_u = Y[batch.columns]  # [b, n, F]
        A = Y_u.mT @ (Y_u * batch.weights[:, :, None]) + a * side.gram
        counts = (batch.weights > 0).sum(1, keepdim=True).to(Y)
        A.diagonal(dim1=1, dim2=2).add_(CONFIG.objective.penalty(counts, side.n_rows))
        rows = batch.rows.tolist()
        chosen = torch.from_numpy(np.stack([item_ids[row] for row in rows]))
        W = torch.cholesky_solve(Y[chosen].mT, torch.linalg.cholesky(A))  # A^-1 y_i [b, F, N]
        targets = torch.where(batch.weights > 0, batch.weights + a, 0.0)
        values = (W.mT @ Y_u.mT * targets[:, None, :]).float().numpy()
        for index, row in enumerate(rows):
            contributions[row] = values[index, :, : weights.indptr[row + 1] - weights.indptr[row]]
    return contributions


def tasks_of(weights: csr_array, side: FixedSide) -> dict[str, tuple[BlockSolver, BlockSolver]]:
    """Return (compiled, in torch) by task for users with plays `weights` [B, I]."""
    rng, users, objective = np.random.default_rng(1), weights.shape[0], CONFIG.objective
    chosen: list[I64] = [rng.integers(0, ITEMS, CHOSEN) for _ in range(users)]
    root = rng.normal(size=(users, CONFIG.rank, 2 * CONFIG.rank))
    A, rhs = root @ root.transpose(0, 2, 1), rng.normal(size=(users, CONFIG.rank, CHOSEN))
    return {
        "factorize": (
            lambda rows: factorize_compiled(A[rows].copy(), rhs[rows].copy()),
            lambda rows: factorize_batched(A[rows].copy(), rhs[rows].copy()),
        ),
        "contributions": (
            lambda rows: als_solver.contributions(weights[rows], side, objective, chosen[rows]),
            lambda rows: contributions_batched(weights[rows], side, chosen[rows]),
        ),
        "solve": (
            lambda rows: als_solver.solve(weights[rows], side, objective),
            lambda rows: als_solver.solve_batched(weights[rows], side, objective),
        ),
    }


def blocks(users: int, count: int) -> list[slice]:
    """Return `count` blocks of users."""
    return [slice(start, stop) for start, stop in pairwise(np.linspace(0, users, count + 1).astype(int).tolist())]


def seconds(solver: BlockSolver, users: int, threads: int) -> float:
    """Return the seconds of all users: a block per thread, as fits and lists are computed."""
    with thread_pool(threads) as pool:
        list(pool.map(time.sleep, [0.01] * threads))  # starts every thread
        start = time.perf_counter()
        list(pool.map(solver, blocks(users, threads)))
        return time.perf_counter() - start


def seconds_alone(solver: BlockSolver, users: int, threads: int) -> float:
    """Return the seconds of all users in one block, for which torch has so many threads."""
    torch.set_num_threads(threads)
    start = time.perf_counter()
    solver(slice(0, users))
    took = time.perf_counter() - start
    torch.set_num_threads(1)
    return took


def other_bits(solver: BlockSolver, users: int) -> int:
    """Return how many users have other results in one block than in seven."""
    parts = [row for block in blocks(users, 7) for row in _rows(solver(block))]
    return sum(not np.array_equal(a, b) for a, b in zip(_rows(solver(slice(0, users))), parts, strict=True))


def _rows(values: object) -> list[F32]:
    return [np.asarray(row) for row in values]  # type: ignore[attr-defined]


def main(runs: int = 7) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    weights = plays()
    side = als_solver.with_gram(torch.from_numpy(ials.fit(weights, CONFIG)))
    print(f"histories of the first {SYSTEMS[-1]:,} users: median {np.median(np.diff(weights.indptr)[: SYSTEMS[-1]]):.0f} tracks")
    for users in SYSTEMS:
        for task, (compiled, batched) in tasks_of(csr_array(weights[:users]), side).items():
            for solver in (compiled, batched):
                solver(slice(0, 2))  # compiles
            for threads in (1, 2):
                cases = {"compiled": (seconds, compiled), "torch": (seconds, batched)}
                if threads > 1:
                    cases["torch, one block"] = (seconds_alone, batched)
                times: dict[str, list[float]] = {name: [] for name in cases}
                for _ in range(runs):
                    for name, (clock, solver) in cases.items():
                        times[name].append(clock(solver, users, threads))
                figures = [f"{name} {statistics.median(t) * 1e3:.2f} ({min(t) * 1e3:.2f})" for name, t in times.items()]
                print(f"{task}, {users:,} systems, {threads} threads [ms]: {', '.join(figures)}", flush=True)
            if task != "factorize":
                bits = {name: other_bits(solver, users) for name, solver in (("compiled", compiled), ("torch", batched))}
                print(f"{task}, {users:,} systems, users with other bits in other blocks: {bits}", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
