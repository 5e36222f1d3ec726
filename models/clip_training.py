"""Training a network on clips, whichever it is and whatever it is to say: split by track, varied, weighted, stopped early."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.calibration import calibrate
from models.clip_network import ClipNetwork, TrainingConfig, predict
from models.clips import augment, check_clips, fixed_arithmetic, mean_by, split_tracks
from models.device import best_device
from models.genre_networks import build
from models.training_goals import Goal, of_genres
from models.training_group import group
from models.training_progress import Progress, generators, take_up


@dataclass(frozen=True)
class EpochReport:
    """One epoch, for progress and the model card. Accuracy (of factors: the mean cosine) is of tracks (mean over their clips)."""

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
    labels: NDArray[np.int64] | NDArray[np.float32] | Goal,
    track_of: Sequence[str] | Sequence[int] | NDArray[Any],
    cfg: TrainingConfig,
    on_epoch: Callable[[EpochReport], None] | None = None,
    start: Progress | None = None,
    keep: Callable[[Progress], object] = lambda _: None,
) -> TrainResult:
    """Train on clips [N, 599, 128] with labels or another goal, and the track of each [N]; keeps the best epoch.

    Labels are genre numbers [N], or [N, n_genres] of 1 and 0 for settings that say several genres.

    Genres are weighted by the inverse of their clip count; probabilities are calibrated last. Equal arguments give equal weights on
    one kind of machine, with one thread; with more of them their last digits may differ from run to run. `start`: where to
    go on; `keep`: is given where it stands after each epoch. In a group of processes (models/training_group.py) all
    must be given the same; process 0 alone tells and keeps, and one that goes on draws anew what the others drop and vary.
    ValueError for wrong shapes, labels outside 0..n_genres-1, a goal that the settings are not for, or numbers that are not finite.
    """
    tracks = np.asarray([str(t) for t in track_of])
    goal = labels if isinstance(labels, Goal) else of_genres(labels, cfg.n_genres)
    if goal.says != cfg.says:
        raise ValueError(f"a network that says {cfg.says} cannot be trained to say {goal.says}")
    check_clips(mels, tracks, (cfg.frames, cfg.n_mels))
    goal.check(len(mels), cfg.n_genres, cfg.beside)
    with fixed_arithmetic(cfg.threads, cfg.seed):
        held = split_tracks(tracks, goal.strata, cfg.val_share, cfg.seed)
        model, us = build(cfg), group()
        learn_scale(model, mels, ~held)
        if us.rank:
            torch.manual_seed(cfg.seed + us.rank)  # what is dropped is drawn by each for itself
        model.to(best_device())
        history, best_epoch = fit(model, mels, goal, tracks, held, on_epoch, start, keep)
        calibrate(model, mels, goal, tracks, held)
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
    goal: Goal,
    tracks: NDArray[np.str_],
    held: NDArray[np.bool_],
    on_epoch: Callable[[EpochReport], None] | None,
    start: Progress | None = None,
    keep: Callable[[Progress], object] = lambda _: None,
) -> tuple[list[EpochReport], int]:
    """The training loop; leaves the best epoch's weights in `model`, returns the history and that epoch."""
    cfg, rows, us = model.cfg, np.flatnonzero(~held), group()
    rng = torch.Generator().manual_seed(cfg.seed + us.rank)
    epochs = max(1, min(cfg.epochs, cfg.max_clips // len(rows)))
    optimiser = torch.optim.AdamW(model.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
    steps = epochs * -(-len(rows) // cfg.batch)
    # with fewer steps than five its warm-up has none, and it divides by that
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, cfg.lr, total_steps=max(steps, 5) + 1, pct_start=0.2)
    weights = goal.weights(rows).to(model.mean.device)
    model.weighed.copy_(torch.where(weights > 0, weights.log(), 0.0))
    history: list[EpochReport] = []
    best, best_state, best_epoch = np.inf, model.state_dict(), 0
    if start:
        take_up(start, model, optimiser, schedule, rng, start.epochs * -(-len(rows) // cfg.batch))
        if us.rank:
            torch.manual_seed(rng.manual_seed(cfg.seed + us.rank + us.size * start.epochs).initial_seed())
        best, best_state, best_epoch = start.best_loss, start.best, start.best_epoch
        history = [EpochReport(done, epochs, *figures) for done, figures in enumerate(start.history.tolist(), 1)]
    for epoch in range(len(history) + 1, epochs + 1):
        if len(history) - best_epoch >= cfg.patience:
            break
        train_loss = run_epoch(model, mels, goal, rows, optimiser, schedule, weights, rng)
        us.level(model)
        # all must stop at the same epoch
        judged = validate(model, mels, goal, tracks, np.flatnonzero(held)) if us.rank == 0 else (0.0, 0.0)
        val_loss, val_accuracy = us.as_the_first(torch.tensor(judged, dtype=torch.float64, device=model.mean.device)).tolist()
        history.append(EpochReport(epoch, epochs, train_loss, val_loss, val_accuracy))
        if on_epoch and us.rank == 0:
            on_epoch(history[-1])
        if val_loss < best or not held.any():
            best, best_state, best_epoch = val_loss, copy.deepcopy(model.state_dict()), epoch
        if us.rank == 0:
            keep(progress_of(model, optimiser, rng, history, (best_state, best_epoch, best)))
    model.load_state_dict(best_state)
    return history, best_epoch


def progress_of(
    model: ClipNetwork,
    optimiser: torch.optim.Optimizer,
    rng: torch.Generator,
    history: list[EpochReport],
    best: tuple[dict[str, Tensor], int, float],
) -> Progress:
    """Where a training stands; `best`: weights, epoch and loss."""
    figures = np.array([(one.train_loss, one.val_loss, one.val_accuracy) for one in history])
    now = copy.deepcopy(model.state_dict()), copy.deepcopy(optimiser.state_dict()["state"])
    return Progress(now[0], best[0], best[1], best[2], now[1], generators(rng, model.mean.device), figures)


def run_epoch(
    model: ClipNetwork,
    mels: NDArray[np.float16],
    goal: Goal,
    rows: NDArray[np.int64],
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    weights: Tensor,
    rng: torch.Generator,
) -> float:
    """One pass over `rows` in random order; returns the mean loss."""
    cfg, device, us = model.cfg, model.mean.device, group()
    total = torch.zeros((), dtype=torch.float64, device=device)
    model.train()
    order = rows[us.as_the_first(torch.randperm(len(rows), generator=rng).to(device)).cpu().numpy()]
    for start in range(0, len(order), cfg.batch):
        batch = np.sort(order[start : start + cfg.batch])
        take = us.share(batch)
        optimiser.zero_grad(set_to_none=True)
        if len(take):
            x = augment(model.standardise(torch.from_numpy(mels[take]).to(device)), cfg.vary, rng)
            out = model.answer(model.embed(x), goal.beside(take))
            # the mean over the whole batch, of which this is a part
            loss = goal.loss(out, take, weights, cfg.label_smoothing) / goal.worth(batch, weights)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach().double() * len(batch)
        us.add_gradients(model)
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        schedule.step()
    us.add_up([total])
    return float(total) / len(order)


def validate(
    model: ClipNetwork,
    mels: NDArray[np.float16],
    goal: Goal,
    tracks: NDArray[np.str_],
    rows: NDArray[np.int64],
) -> tuple[float, float]:
    """Loss and accuracy over the held tracks, by the mean of what is said of their clips."""
    if rows.size == 0:
        return float("nan"), float("nan")
    said, _ = predict(model, mels[rows], beside=goal.beside(rows))
    names, first, place = np.unique(tracks[rows], return_index=True, return_inverse=True)
    return goal.judged(mean_by(place, said, len(names)), rows[first])
