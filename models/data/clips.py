"""Log-mel clips as training data: dataset, split by track, augmentation, checks."""

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from models.types import F16, F32, F64, I64, Mask


@dataclass(frozen=True)
class AugmentConfig:
    """Strength of the random changes to a training clip; all zeros: only its start moves."""

    eq: float = 0.3  # deviation of a random smooth EQ curve, in deviations of the input
    level: float = 0.2  # deviation of a random level, same unit
    shift: int = 2  # maximal shift in mel bins, up or down: another key
    frames: int = 40  # longest masked stretch of time, in frames
    mels: int = 8  # widest masked band


@dataclass(frozen=True)
class ClipBatch:
    """B clips."""

    rows: I64
    """[B] their numbers among all clips, ascending."""
    mels: Tensor
    """[B, T, M] raw log-mels."""


class ClipDataset(Dataset[ClipBatch]):
    """Clips `rows` of an array of log-mels [N, T, M], which may be memory-mapped, as batches on a device."""

    def __init__(self, mels: F16, rows: I64, device: torch.device) -> None:
        self._mels, self._rows, self._device = mels, rows, device

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> ClipBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> ClipBatch:
        """Return a batch; DataLoader calls this with the indices of each batch."""
        rows = np.sort(self._rows[indices])
        return ClipBatch(rows, torch.from_numpy(self._mels[rows]).to(self._device))


def split_tracks(tracks: NDArray[np.str_], labels: I64, share: float, seed: int) -> Mask:
    """Return a mask of validation clips: complete tracks, `share` of each genre, by a hash of seed and track."""
    validation: set[str] = set()
    for genre in np.unique(labels):
        names = sorted(set(tracks[labels == genre].tolist()), key=lambda t: (zlib.crc32(f"{seed}:{t}".encode()), t))
        validation.update(names[: round(share * len(names))])
    return np.isin(tracks, sorted(validation))


def augment(x: Tensor, config: AugmentConfig, rng: torch.Generator | None = None) -> Tensor:
    """Return augmented copies of normalized clips [B, T, M]: time roll, random EQ, pitch shift, one masked stretch and
    band.

    Random numbers come from a generator of the CPU (default: torch's), so that a GPU run sees the same augmentations.
    """
    B, T, M = x.shape
    roll = torch.randint(T, (B, 1), generator=rng)
    rows = ((torch.arange(T) + roll) % T).to(x.device)  # [B, T]
    shift = torch.randint(-config.shift, config.shift + 1, (B, 1), generator=rng)
    cols = (torch.arange(M) + shift).clamp(0, M - 1).to(x.device)  # [B, M]
    x = x[torch.arange(B, device=x.device)[:, None, None], rows[:, :, None], cols[:, None, :]]
    knots = config.eq * torch.randn(B, 1, 6, generator=rng)  # smooth: six points over the range
    knots = knots + config.level * torch.randn(B, 1, 1, generator=rng)
    curve = F.interpolate(knots, size=M, mode="linear", align_corners=True)  # [B, 1, M]
    return (x + curve.to(x.device)) * keep_mask(B, T, M, config, rng).to(x.device)


def keep_mask(B: int, T: int, M: int, config: AugmentConfig, rng: torch.Generator | None) -> Tensor:
    """Return [B, T, M] of 0 (masked: the mean of normalized input) and 1: one stretch and one band per clip."""
    keep = torch.ones(B, T, M)
    for size, longest, axis in ((T, config.frames, 1), (M, config.mels, 2)):
        width = torch.randint(longest + 1, (B, 1), generator=rng)
        start = torch.randint(size, (B, 1), generator=rng)
        index = torch.arange(size)[None, :]
        masked = (index >= start) & (index < start + width)  # [B, size]
        keep = keep * (~masked).float().unsqueeze(3 - axis)
    return keep


def mean_by_group(group: I64, values: F32 | F64, n_groups: int) -> F64:
    """Return the means [n_groups, D] of the rows of `values` [N, D] by their `group` [N]; zeros for empty groups."""
    sums = np.zeros((n_groups, values.shape[1]))
    np.add.at(sums, group, values)
    return sums / np.maximum(np.bincount(group, minlength=n_groups), 1)[:, None]


def check_clips(mels: F16, tracks: NDArray[np.str_], shape: tuple[int, int]) -> None:
    """Raise ValueError, with the reason, for clips or tracks that cannot be trained on."""
    n = len(mels)
    if n == 0 or mels.shape[1:] != shape or len(tracks) != n:
        raise ValueError(
            f"need clips [N, {shape[0]}, {shape[1]}] of N tracks, N > 0: got {mels.shape} and {len(tracks)} tracks"
        )
    for start in range(0, n, 256):
        if not np.isfinite(mels[start : start + 256]).all():
            raise ValueError(f"clips {start}..{start + 255} contain NaN or infinity: quarantine broken audio first")
