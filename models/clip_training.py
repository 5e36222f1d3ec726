"""Training of clip networks: split by track, input normalization, class weights, the training loop, calibration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.calibration import fit_temperature
from models.clip_config import ClipModelConfig, ClipTrainConfig
from models.clip_network import ClipNetwork, predict, predict_logits
from models.data.clips import ClipBatch, ClipDataset, check_clips, mean_by_group, split_tracks
from models.genre_networks import build
from models.torch_device import best_device
from models.training import loop
from models.training.checkpoint import EpochReport, TrainState
from models.training.deterministic import deterministic
from models.training.distributed import DistContext
from models.training.loop import TrainConfig
from models.training.targets import Targets, classification_targets
from models.types import F16, F32, F64, I64

MIN_CALIBRATION_TRACKS = 20
"""With fewer validation tracks the temperature would be noise."""


@dataclass(frozen=True)
class TrainResult:
    """A trained model (on the CPU, in eval mode) with its history; `val_tracks` were not trained on."""

    model: ClipNetwork
    history: tuple[EpochReport, ...]
    best_epoch: int
    val_tracks: tuple[str, ...]


def train(
    mels: F16,
    labels: I64 | F32 | Targets,
    track_of: Sequence[str] | Sequence[int] | NDArray[Any],
    cfg: ClipModelConfig,
    on_epoch: Callable[[EpochReport], object] = lambda _: None,
    resume_from: TrainState | None = None,
    save_checkpoint: Callable[[TrainState], object] = lambda _: None,
    *,
    side_features: F32 | None = None,
) -> TrainResult:
    """Train on clips [N, 599, 128] with the track of each [N], and return the model of the best epoch, calibrated.

    `labels`: genre numbers [N], labels [N, n_outputs] of 1 and 0 for the multilabel task, or other targets. Classes are
    weighted by their inverse clip count. `on_epoch`, `resume_from`, `save_checkpoint`: as in
    `models.training.loop.fit`. `side_features` [N, n_side_features]: of each clip, such as a text vector of its track.

    Equal arguments give equal weights on one kind of machine with one thread; more threads may change the last digits.
    All ranks of a process group need the same arguments, and return the same model.

    Raises ValueError for wrong shapes, labels out of range, targets of another task, or numbers that are not finite.
    """
    tracks = np.asarray([str(t) for t in track_of])
    network, training = cfg.network, cfg.training
    targets = labels if isinstance(labels, Targets) else classification_targets(labels, network.n_outputs)
    if targets.task != network.task:
        raise ValueError(f"a {network.task} network cannot be trained with {targets.task} targets")
    check_clips(mels, tracks, (network.frames, network.n_mels))
    targets.check(len(mels), network.n_outputs)
    check_side_features(side_features, len(mels), network.n_side_features)
    with deterministic(training.threads, training.seed):
        val_mask = split_tracks(tracks, targets.strata, training.val_share, training.seed)
        train_rows = np.flatnonzero(~val_mask)
        model = build(network)
        fit_normalization(model, mels, train_rows)
        model.to(best_device())
        validation = Validation(mels, targets, tracks, np.flatnonzero(val_mask), side_features)
        weights = targets.class_weights(train_rows)
        objective = ClipObjective(targets, side_features, weights, training.label_smoothing, validation)
        objective.remove_class_weights(model)
        dataset = ClipDataset(mels, train_rows, model.mean.device)
        run = loop.fit(
            model, objective, dataset, _optimization(training, len(train_rows)), on_epoch, resume_from, save_checkpoint
        )
        validation.calibrate(model)
        val_tracks = tuple(sorted(set(tracks[val_mask].tolist())))
    return TrainResult(model.cpu().eval(), run.history, run.best_epoch, val_tracks)


def check_side_features(side_features: F32 | None, n_clips: int, n_side_features: int) -> None:
    """Raise ValueError unless each clip has `n_side_features` finite side features; None: a network without any."""
    features = np.empty((n_clips, 0), np.float32) if side_features is None else side_features
    if features.shape != (n_clips, n_side_features):
        raise ValueError(f"need side features [{n_clips}, {n_side_features}]: got {features.shape}")
    if not np.isfinite(features).all():
        raise ValueError("side features must be finite")


def _optimization(cfg: ClipTrainConfig, n_clips: int) -> TrainConfig:
    """Return the loop's configuration, with as many epochs as `max_clips` allows, at least one."""
    values = {field.name: getattr(cfg, field.name) for field in fields(TrainConfig)}
    return replace(TrainConfig(**values), epochs=max(1, min(cfg.epochs, cfg.max_clips // n_clips)))


def fit_normalization(model: ClipNetwork, mels: F16, rows: I64) -> None:
    """Write mean and deviation per mel bin of clips `rows` into the model's buffers."""
    per_clip = [mels[i].astype(np.float64) for i in rows[:: max(1, len(rows) // 512)]]  # 512 clips suffice
    frames = np.concatenate(per_clip)  # [clips * 599, 128]
    model.mean.copy_(torch.tensor(frames.mean(axis=0)))
    model.std.copy_(torch.tensor(np.maximum(frames.std(axis=0), 1e-3)))


class Validation:
    """Validation clips; the prediction for a track is the mean over its clips."""

    def __init__(
        self, mels: F16, targets: Targets, tracks: NDArray[np.str_], rows: I64, side_features: F32 | None = None
    ) -> None:
        """`rows`: the validation clips among all clips [N] with `tracks` [N] and `side_features` [N, E]."""
        self._mels, self._targets, self._rows, self._side_features = mels, targets, rows, side_features
        names, first, self._track = np.unique(tracks[rows], return_index=True, return_inverse=True)
        self._first, self.n_tracks = rows[first], len(names)

    def metrics(self, model: ClipNetwork) -> dict[str, float]:
        """Return the metrics over all tracks, empty without any. Each rank predicts a part of the clips."""
        if not self.n_tracks:
            return {}
        dist = DistContext.current()
        predictions = torch.zeros(len(self._rows), model.cfg.n_outputs, device=model.mean.device)
        part = np.arange(dist.rank, len(self._rows), dist.world_size)
        rows = self._rows[part]
        outputs, _ = predict(model, self._mels[rows], side_features=_rows_of(self._side_features, rows))
        predictions[torch.from_numpy(part)] = torch.from_numpy(outputs).to(predictions)
        return self._metrics(dist.sum(predictions).cpu().numpy())

    def calibrate(self, model: ClipNetwork) -> None:
        """Set the temperature that minimizes the loss of the tracks' mean probabilities.

        Leaves it at 1 for regression, and with fewer than MIN_CALIBRATION_TRACKS tracks.
        """
        if model.cfg.task == "regression" or self.n_tracks < MIN_CALIBRATION_TRACKS:
            return
        logits, _ = predict_logits(model, self._mels[self._rows], side_features=_rows_of(self._side_features, self._rows))
        scaled = torch.from_numpy(logits.astype(np.float64)).to(model.mean.device)

        def loss(temperature: float) -> float:
            return self._metrics(model.activate(scaled / temperature).cpu().numpy())["loss"]

        model.temperature.fill_(fit_temperature(loss))

    def _metrics(self, predictions: F32 | F64) -> dict[str, float]:
        return self._targets.metrics(mean_by_group(self._track, predictions, self.n_tracks), self._first)


@dataclass(frozen=True)
class ClipObjective:
    """The loop's objective for targets of clips."""

    targets: Targets
    side_features: F32 | None
    """[N, E]"""
    class_weights: Tensor
    """[n_outputs]"""
    label_smoothing: float
    validation: Validation

    def remove_class_weights(self, model: ClipNetwork) -> None:
        """Make predictions undo the class weights of the loss."""
        weights = self.class_weights
        model.log_class_weight.copy_(torch.where(weights > 0, weights.log(), 0.0))

    def loss(self, model: nn.Module, batch: ClipBatch) -> tuple[Tensor, Tensor]:
        """Return loss sum and weight of a batch."""
        weights = self.class_weights.to(batch.mels.device)
        features = _rows_of(self.side_features, batch.rows)
        logits = model(batch.mels, None if features is None else torch.from_numpy(features).to(batch.mels.device))
        loss_sum = self.targets.loss(logits, batch.rows, weights, self.label_smoothing)
        return loss_sum, self.targets.normalizer(batch.rows, weights)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the metrics of the validation tracks."""
        assert isinstance(model, ClipNetwork)
        return self.validation.metrics(model)


def _rows_of(side_features: F32 | None, rows: I64) -> F32 | None:
    return None if side_features is None else side_features[rows]
