"""Training of clip networks: split by track, augmentation, class weights, early stopping, calibration."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.calibration import fit_temperature
from models.clip_network import ClipNetwork, TrainingConfig, predict, predict_logits
from models.data.clips import augment, check_clips, deterministic, mean_by_group, split_tracks
from models.genre_networks import build
from models.torch_device import best_device
from models.training.checkpoint import TrainState, restore, rng_states
from models.training.distributed import DistContext
from models.training.objectives import Objective, genre_objective
from models.types import F16, F32, I64, Mask

MIN_CALIBRATION_TRACKS = 20
"""With fewer validation tracks the temperature would be noise."""


@dataclass(frozen=True)
class EpochReport:
    """Metrics of an epoch.

    Validation averages the clips of each track. Regression reports the mean cosine as accuracy.
    """

    epoch: int
    epochs: int
    train_loss: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True)
class TrainResult:
    """A trained model (on the CPU, in eval mode) with its history; `val_tracks` were not trained on."""

    model: ClipNetwork
    history: tuple[EpochReport, ...]
    best_epoch: int
    val_tracks: tuple[str, ...]


def train(
    mels: F16,
    labels: I64 | F32 | Objective,
    track_of: Sequence[str] | Sequence[int] | NDArray[Any],
    cfg: TrainingConfig,
    on_epoch: Callable[[EpochReport], None] | None = None,
    resume_from: TrainState | None = None,
    save_checkpoint: Callable[[TrainState], object] = lambda _: None,
) -> TrainResult:
    """Train on clips [N, 599, 128] with the track of each [N], and return the model of the best epoch, calibrated.

    `labels`: genre numbers [N], labels [N, n_outputs] of 1 and 0 for the multilabel task, or an objective. Classes are
    weighted by their inverse clip count. `resume_from`: state to continue from. `save_checkpoint(state)` runs after
    every epoch, on rank 0.

    Equal arguments give equal weights on one kind of machine with one thread; more threads may change the last digits.
    All ranks of a process group need the same arguments; a resumed rank other than 0 draws new dropout and
    augmentations.

    Raises ValueError for wrong shapes, labels out of range, an objective for another task, or numbers that are not
    finite.
    """
    tracks = np.asarray([str(t) for t in track_of])
    objective = labels if isinstance(labels, Objective) else genre_objective(labels, cfg.n_outputs)
    if objective.task != cfg.task:
        raise ValueError(f"a {cfg.task} network cannot be trained with a {objective.task} objective")
    check_clips(mels, tracks, (cfg.frames, cfg.n_mels))
    objective.check(len(mels), cfg.n_outputs, cfg.n_side_features)
    with deterministic(cfg.threads, cfg.seed):
        val_mask = split_tracks(tracks, objective.strata, cfg.val_share, cfg.seed)
        model, dist = build(cfg), DistContext.current()
        fit_normalization(model, mels, ~val_mask)
        if dist.rank:
            torch.manual_seed(cfg.seed + dist.rank)  # each rank has dropout of its own
        model.to(best_device())
        history, best_epoch = fit(model, mels, objective, tracks, val_mask, on_epoch, resume_from, save_checkpoint)
        calibrate(model, mels, objective, tracks, val_mask)
        val_tracks = tuple(sorted(set(tracks[val_mask].tolist())))
    return TrainResult(model.cpu().eval(), tuple(history), best_epoch, val_tracks)


def fit_normalization(model: ClipNetwork, mels: F16, train_mask: Mask) -> None:
    """Write mean and deviation per mel bin of the training clips into the model's buffers."""
    rows = np.flatnonzero(train_mask)
    per_clip = [mels[i].astype(np.float64) for i in rows[:: max(1, len(rows) // 512)]]  # 512 clips suffice
    frames = np.concatenate(per_clip)  # [clips * 599, 128]
    model.mean.copy_(torch.tensor(frames.mean(axis=0)))
    model.std.copy_(torch.tensor(np.maximum(frames.std(axis=0), 1e-3)))


def fit(
    model: ClipNetwork,
    mels: F16,
    objective: Objective,
    tracks: NDArray[np.str_],
    val_mask: Mask,
    on_epoch: Callable[[EpochReport], None] | None,
    resume_from: TrainState | None = None,
    save_checkpoint: Callable[[TrainState], object] = lambda _: None,
) -> tuple[list[EpochReport], int]:
    """Run the training loop. Leaves the best epoch's weights in `model`; returns the history and that epoch."""
    cfg, rows, dist = model.cfg, np.flatnonzero(~val_mask), DistContext.current()
    rng = torch.Generator().manual_seed(cfg.seed + dist.rank)
    epochs = max(1, min(cfg.epochs, cfg.max_clips // len(rows)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
    steps_per_epoch = -(-len(rows) // cfg.batch_size)
    # with fewer than five steps the warm-up has none, and OneCycleLR divides by that
    total_steps = max(epochs * steps_per_epoch, 5) + 1
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, cfg.lr, total_steps=total_steps, pct_start=0.2)
    weights = objective.class_weights(rows).to(model.mean.device)
    model.weighed.copy_(torch.where(weights > 0, weights.log(), 0.0))
    history: list[EpochReport] = []
    best_loss, best_state, best_epoch = np.inf, model.state_dict(), 0
    if resume_from:
        restore(resume_from, model, optimizer, schedule, rng, resume_from.epochs * steps_per_epoch)
        if dist.rank:
            torch.manual_seed(
                rng.manual_seed(cfg.seed + dist.rank + dist.world_size * resume_from.epochs).initial_seed()
            )
        best_loss, best_state, best_epoch = resume_from.best_loss, resume_from.best, resume_from.best_epoch
        history = [EpochReport(done, epochs, *row) for done, row in enumerate(resume_from.history.tolist(), 1)]
    for epoch in range(len(history) + 1, epochs + 1):
        if len(history) - best_epoch >= cfg.patience:
            break
        train_loss = train_epoch(model, mels, objective, rows, optimizer, schedule, weights, rng)
        dist.average_batchnorm_stats(model)
        # broadcast, so that all ranks stop at the same epoch
        metrics = validate(model, mels, objective, tracks, np.flatnonzero(val_mask)) if dist.rank == 0 else (0.0, 0.0)
        val_loss, val_accuracy = dist.broadcast(
            torch.tensor(metrics, dtype=torch.float64, device=model.mean.device)
        ).tolist()
        history.append(EpochReport(epoch, epochs, train_loss, val_loss, val_accuracy))
        if on_epoch and dist.rank == 0:
            on_epoch(history[-1])
        if val_loss < best_loss or not val_mask.any():
            best_loss, best_state, best_epoch = val_loss, copy.deepcopy(model.state_dict()), epoch
        if dist.rank == 0:
            save_checkpoint(state_of(model, optimizer, rng, history, (best_state, best_epoch, best_loss)))
    model.load_state_dict(best_state)
    return history, best_epoch


def state_of(
    model: ClipNetwork,
    optimizer: torch.optim.Optimizer,
    rng: torch.Generator,
    history: list[EpochReport],
    best: tuple[dict[str, Tensor], int, float],
) -> TrainState:
    """Return the state of a training; `best`: weights, epoch and loss."""
    metrics = np.array([(report.train_loss, report.val_loss, report.val_accuracy) for report in history])
    weights, moments = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict()["state"])
    return TrainState(weights, best[0], best[1], best[2], moments, rng_states(rng, model.mean.device), metrics)


def train_epoch(
    model: ClipNetwork,
    mels: F16,
    objective: Objective,
    rows: I64,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    weights: Tensor,
    rng: torch.Generator,
) -> float:
    """Train for one pass over `rows` in random order and return the mean loss."""
    cfg, device, dist = model.cfg, model.mean.device, DistContext.current()
    total = torch.zeros((), dtype=torch.float64, device=device)
    model.train()
    order = rows[dist.broadcast(torch.randperm(len(rows), generator=rng).to(device)).cpu().numpy()]
    for start in range(0, len(order), cfg.batch_size):
        batch = np.sort(order[start : start + cfg.batch_size])
        shard = dist.shard(batch)
        optimizer.zero_grad(set_to_none=True)
        if len(shard):
            x = augment(model.normalize(torch.from_numpy(mels[shard]).to(device)), cfg.augment, rng)
            logits = model.apply_head(model.embed(x), objective.side_features(shard))
            # the mean over the global batch, of which this is a part
            loss = objective.loss(logits, shard, weights, cfg.label_smoothing) / objective.normalizer(batch, weights)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach().double() * len(batch)
        dist.sum_gradients(model)
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
    dist.all_reduce_sum([total])
    return float(total) / len(order)


def validate(
    model: ClipNetwork, mels: F16, objective: Objective, tracks: NDArray[np.str_], rows: I64
) -> tuple[float, float]:
    """Return loss and accuracy over the tracks of validation clips `rows`, averaging the clips of each track."""
    if rows.size == 0:
        return float("nan"), float("nan")
    predictions, _ = predict(model, mels[rows], side_features=objective.side_features(rows))
    names, first, track = np.unique(tracks[rows], return_index=True, return_inverse=True)
    return objective.evaluate(mean_by_group(track, predictions, len(names)), rows[first])


def calibrate(model: ClipNetwork, mels: F16, objective: Objective, tracks: NDArray[np.str_], val_mask: Mask) -> None:
    """Set the temperature that minimizes the loss of the validation tracks' mean probabilities.

    Leaves it at 1 for regression, and with fewer than MIN_CALIBRATION_TRACKS validation tracks.
    """
    rows = np.flatnonzero(val_mask)
    names, first, track = np.unique(tracks[rows], return_index=True, return_inverse=True)
    if model.cfg.task == "regression" or len(names) < MIN_CALIBRATION_TRACKS:
        return
    logits, _ = predict_logits(model, mels[rows], side_features=objective.side_features(rows))
    scaled = torch.from_numpy(logits.astype(np.float64)).to(model.mean.device)

    def loss(temperature: float) -> float:
        predictions = model.activate(scaled / temperature).cpu().numpy()
        return objective.evaluate(mean_by_group(track, predictions, len(names)), rows[first])[0]

    model.temperature.fill_(fit_temperature(loss))
