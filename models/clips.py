"""What training on mel clips needs whatever the network: split, variation, weights, fixed arithmetic."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Variation:
    """How far a training clip is changed each time it is shown; zero everywhere changes only its start."""

    eq: float = 0.3  # deviation of a random smooth EQ curve, in deviations of the input
    level: float = 0.2  # deviation of a random level, same unit
    shift: int = 2  # most mel bins up or down: another key
    frames: int = 40  # longest masked stretch of time, in frames
    mels: int = 8  # widest masked band


def split_tracks(tracks: NDArray[np.str_], labels: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """True where a clip is held out: whole tracks, `share` of each genre, by a hash of seed and track."""
    held: set[str] = set()
    for genre in np.unique(labels):
        names = sorted(set(tracks[labels == genre].tolist()), key=lambda t: (zlib.crc32(f"{seed}:{t}".encode()), t))
        held.update(names[: round(share * len(names))])
    return np.isin(tracks, sorted(held))


def augment(x: Tensor, vary: Variation, rng: torch.Generator) -> Tensor:
    """Vary standardised clips [B, T, M]: roll in time, random EQ, shift in pitch, mask a stretch and a band.

    Random numbers are drawn on the CPU, so that a GPU run sees the same variations.
    """
    B, T, M = x.shape
    roll = torch.randint(T, (B, 1), generator=rng)
    rows = ((torch.arange(T) + roll) % T).to(x.device)  # [B, T]
    shift = torch.randint(-vary.shift, vary.shift + 1, (B, 1), generator=rng)
    cols = (torch.arange(M) + shift).clamp(0, M - 1).to(x.device)  # [B, M]
    x = x[torch.arange(B, device=x.device)[:, None, None], rows[:, :, None], cols[:, None, :]]
    knots = vary.eq * torch.randn(B, 1, 6, generator=rng)  # smooth: six points over the range
    knots = knots + vary.level * torch.randn(B, 1, 1, generator=rng)
    curve = F.interpolate(knots, size=M, mode="linear", align_corners=True)  # [B, 1, M]
    return (x + curve.to(x.device)) * keep_mask(B, T, M, vary, rng).to(x.device)


def keep_mask(B: int, T: int, M: int, vary: Variation, rng: torch.Generator) -> Tensor:
    """[B, T, M] of 0 (masked: the mean, when standardised) and 1: one stretch and one band per clip."""
    keep = torch.ones(B, T, M)
    for size, longest, axis in ((T, vary.frames, 1), (M, vary.mels, 2)):
        width = torch.randint(longest + 1, (B, 1), generator=rng)
        start = torch.randint(size, (B, 1), generator=rng)
        at = torch.arange(size)[None, :]
        masked = (at >= start) & (at < start + width)  # [B, size]
        keep = keep * (~masked).float().unsqueeze(3 - axis)
    return keep


@contextmanager
def fixed_arithmetic(threads: int, seed: int) -> Iterator[None]:
    """Same seed, same sums: seeds torch, fixes the thread count, and puts both back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def mean_by(group: NDArray[np.int64], values: NDArray[np.float32], groups: int) -> NDArray[np.float64]:
    """[groups, D] means of the rows of `values` [N, D] by their `group` [N]; zeros where there is none."""
    found = np.zeros((groups, values.shape[1]))
    np.add.at(found, group, values)
    return found / np.maximum(np.bincount(group, minlength=groups), 1)[:, None]


def class_weights(labels: NDArray[np.int64], n_genres: int) -> Tensor:
    """Inverse of each genre's count, [n_genres], mean 1 over the clips; a genre without clips weighs 0."""
    counts = np.bincount(labels, minlength=n_genres)
    present = max(1, int((counts > 0).sum()))
    return torch.tensor(np.where(counts > 0, len(labels) / (present * np.maximum(counts, 1)), 0.0), dtype=torch.float32)


def check_clips(mels: NDArray[np.float16], tracks: NDArray[np.str_], shape: tuple[int, int]) -> None:
    """ValueError that says what is wrong with clips or their tracks."""
    n = len(mels)
    if n == 0 or mels.shape[1:] != shape or len(tracks) != n:
        raise ValueError(f"need clips [N, {shape[0]}, {shape[1]}] of N tracks, N > 0: got {mels.shape} and {len(tracks)} tracks")
    for start in range(0, n, 256):
        if not np.isfinite(mels[start : start + 256]).all():
            raise ValueError(f"clips {start}..{start + 255} hold NaN or infinity: quarantine broken audio first")
