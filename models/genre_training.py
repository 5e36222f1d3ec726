"""Training a genre network on clips, whichever it is: split by track, varied, weighted, stopped early."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models.clip_network import ClipNetwork, TrainingConfig, predict
from models.clips import augment, check_clips, class_weights, fixed_arithmetic, mean_by, split_tracks
from models.device import best_device
from models.genre_networks import build


@dataclass(frozen=True)
class EpochReport:
    """One epoch, for progress and the model card. Accuracy is of tracks (mean over their clips)."""

    epoch: int
    epochs: int
    train_loss: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True)
class TrainResult:
    """A trained model (on the CPU, in eval mode) with its history; `val_tracks` were never trained on."""

    model: ClipNetwork
    history: tuple[EpochReport, ...]
    best_epoch: int
    val_tracks: tuple[str, ...]


def train(
    mels: NDArray[np.float16],
    labels: NDArray[np.int64],
    track_of: Sequence[str] | Sequence[int] | NDArray[Any],
    cfg: TrainingConfig,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> TrainResult:
    """Train on clips [N, 599, 128] with genre numbers [N] and the track of each [N]; keeps the best epoch.

    Classes are weighted by the inverse of their clip count. Equal arguments give equal weights on one kind
    of machine.
    ValueError for wrong shapes, labels outside 0..n_genres-1, or numbers that are not finite.
    """
    tracks = np.asarray([str(t) for t in track_of])
    check_clips(mels, labels, tracks, (cfg.frames, cfg.n_mels), cfg.n_genres)
    with fixed_arithmetic(cfg.threads, cfg.seed):
        held = split_tracks(tracks, labels, cfg.val_share, cfg.seed)
        model = build(cfg)
        learn_scale(model, mels, ~held)
        model.to(best_device())
        history, best_epoch = fit(model, mels, labels, tracks, held, on_epoch)
        val_tracks = tuple(sorted(set(tracks[held].tolist())))
    return TrainResult(model.cpu().eval(), tuple(history), best_epoch, val_tracks)


def learn_scale(model: ClipNetwork, mels: NDArray[np.float16], use: NDArray[np.bool_]) -> None:
    """Mean and deviation per mel bin over the clips in `use`, into the model's buffers."""
    rows = np.flatnonzero(use)
    per_clip = [mels[i].astype(np.float64) for i in rows[:: max(1, len(rows) // 512)]]  # 512 clips are plenty
    frames = np.concatenate(per_clip)  # [clips * 599, 128]
    model.mean.copy_(torch.tensor(frames.mean(axis=0)))
    model.std.copy_(torch.tensor(np.maximum(frames.std(axis=0), 1e-3)))


def fit(
    model: ClipNetwork,
    mels: NDArray[np.float16],
    labels: NDArray[np.int64],
    tracks: NDArray[np.str_],
    held: NDArray[np.bool_],
    on_epoch: Callable[[EpochReport], None] | None,
) -> tuple[list[EpochReport], int]:
    """The training loop; leaves the best epoch's weights in `model`, returns the history and that epoch."""
    cfg, rows, rng = model.cfg, np.flatnonzero(~held), torch.Generator().manual_seed(model.cfg.seed)
    epochs = max(1, min(cfg.epochs, cfg.max_clips // len(rows)))
    optimiser = torch.optim.AdamW(model.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
    steps = epochs * -(-len(rows) // cfg.batch)
    # with fewer steps than five its warm-up has none, and it divides by that
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, cfg.lr, total_steps=max(steps, 5) + 1, pct_start=0.2)
    weights = class_weights(labels[rows], cfg.n_genres).to(model.mean.device)
    history: list[EpochReport] = []
    best, best_state, best_epoch = np.inf, model.state_dict(), 0
    for epoch in range(1, epochs + 1):
        train_loss = run_epoch(model, mels, labels, rows, optimiser, schedule, weights, rng)
        val_loss, val_accuracy = validate(model, mels, labels, tracks, np.flatnonzero(held))
        history.append(EpochReport(epoch, epochs, train_loss, val_loss, val_accuracy))
        if on_epoch:
            on_epoch(history[-1])
        if val_loss < best or not held.any():
            best, best_state, best_epoch = val_loss, copy.deepcopy(model.state_dict()), epoch
        if epoch - best_epoch >= cfg.patience:
            break
    model.load_state_dict(best_state)
    return history, best_epoch


def run_epoch(
    model: ClipNetwork,
    mels: NDArray[np.float16],
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    weights: Tensor,
    rng: torch.Generator,
) -> float:
    """One pass over `rows` in random order; returns the mean loss."""
    cfg, device, total = model.cfg, model.mean.device, 0.0
    model.train()
    order = rows[torch.randperm(len(rows), generator=rng).numpy()]
    for start in range(0, len(order), cfg.batch):
        take = np.sort(order[start : start + cfg.batch])
        x = augment(model.standardise(torch.from_numpy(mels[take]).to(device)), cfg.vary, rng)
        y = torch.from_numpy(labels[take].astype(np.int64)).to(device)
        loss = F.cross_entropy(model.head(model.embed(x)), y, weight=weights, label_smoothing=cfg.label_smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        total += float(loss.detach()) * len(take)
    return total / len(order)


def validate(
    model: ClipNetwork,
    mels: NDArray[np.float16],
    labels: NDArray[np.int64],
    tracks: NDArray[np.str_],
    rows: NDArray[np.int64],
) -> tuple[float, float]:
    """Mean negative log-likelihood and accuracy over the held tracks (mean probability of their clips)."""
    if rows.size == 0:
        return float("nan"), float("nan")
    probs, _ = predict(model, mels[rows])
    names, inverse = np.unique(tracks[rows], return_inverse=True)
    per_track = mean_by(inverse, probs, len(names))
    truth = np.zeros(len(names), dtype=np.int64)
    truth[inverse] = labels[rows]
    likelihood = per_track[np.arange(len(names)), truth]
    return float(-np.log(likelihood + 1e-9).mean()), float((per_track.argmax(axis=1) == truth).mean())
