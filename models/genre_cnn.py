"""PMRS's genre network: log-mel clip -> genre probabilities, and a 2048-number embedding on the way.

The network is the one of van den Oord et al. 2013 in the form of its author's 2014 Spotify article, as PMRS
uses it: valid convolutions over time only, the 128 mel bins are the input channels. ReLU (PMRS prints
max-pooling for it). Trained from scratch on little data, so each batch is varied (`models.clips.augment`).
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from models.clips import Variation, augment, check_clips, class_weights, fixed_arithmetic, split_tracks
from models.device import best_device


@dataclass(frozen=True)
class GenreCNNConfig:
    """Shape of the network and how it is trained; all of it is recorded beside the weights."""

    n_genres: int = 7
    n_mels: int = 128
    frames: int = 599
    conv: tuple[int, int, int, int] = (256, 256, 512, 512)  # 4 frames each; pooled by 4, 2, 2, not at all
    dense: int = 2048
    dropout: float = 0.3  # lowered from 0.5 together with `vary`: the two were not told apart
    epochs: int = 8
    max_clips: int = 7_000  # clips shown over all epochs: bounds CPU time (about 60 clips/s on 2 idle cores)
    batch: int = 16
    lr: float = 5e-4  # peak of a one-cycle schedule
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    patience: int = 4  # epochs without a better validation loss before stopping
    val_share: float = 0.15  # of each genre's tracks; 0 trains on everything and keeps the last epoch
    vary: Variation = field(default_factory=Variation)
    threads: int = 2  # fixed, so that sums run in one order whatever machine trains
    seed: int = 7


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

    model: "GenreCNN"
    history: tuple[EpochReport, ...]
    best_epoch: int
    val_tracks: tuple[str, ...]


class GenreCNN(nn.Module):
    """[B, 599, 128] log-mel -> [B, n_genres] logits (PMRS section III; Spotify article 2014)."""

    mean: Tensor
    std: Tensor

    def __init__(self, cfg: GenreCNNConfig) -> None:
        super().__init__()
        c1, c2, c3, c4 = cfg.conv
        self.cfg = cfg
        # input standardisation per mel bin: learnt from the training clips, saved with the weights
        self.register_buffer("mean", torch.zeros(cfg.n_mels))
        self.register_buffer("std", torch.ones(cfg.n_mels))
        self.conv1 = nn.Conv1d(cfg.n_mels, c1, 4)
        self.conv2 = nn.Conv1d(c1, c2, 4)
        self.conv3 = nn.Conv1d(c2, c3, 4)
        self.conv4 = nn.Conv1d(c3, c4, 4)
        self.dense1 = nn.Linear(3 * c4, cfg.dense)
        self.dense2 = nn.Linear(cfg.dense, cfg.dense)
        self.head = nn.Linear(cfg.dense, cfg.n_genres)
        self.drop = nn.Dropout(cfg.dropout)
        self.start()

    def start(self) -> None:
        """He initialisation, which keeps the signal's size from layer to layer under ReLU."""
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4, self.dense1, self.dense2):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            norms = self.dense1.weight[:, -self.conv4.out_channels :]
            norms /= 32**0.5  # an L2 norm over 32 frames is that much larger than a mean
        nn.init.normal_(self.head.weight, std=0.01)

    def standardise(self, mels: Tensor) -> Tensor:
        """Log-mels of any float type -> float32 with mean 0 and deviation 1 per mel bin in training."""
        return (mels.float() - self.mean) / self.std

    def embed(self, x: Tensor) -> Tensor:
        """Standardised [B, 599, 128] -> the last hidden layer, [B, 2048]."""
        x = x.transpose(1, 2)  # [B, 128, 599]: mel bins are channels
        x = F.max_pool1d(F.relu(self.conv1(x)), 4)  # [B, 256, 596] -> [B, 256, 149]
        x = F.max_pool1d(F.relu(self.conv2(x)), 2)  # [B, 256, 146] -> [B, 256, 73]
        x = F.max_pool1d(F.relu(self.conv3(x)), 2)  # [B, 512, 70] -> [B, 512, 35]
        x = F.relu(self.conv4(x))  # [B, 512, 32]
        x = global_pool(x)  # [B, 1536]
        x = self.drop(F.relu(self.dense1(x)))  # [B, 2048]
        hidden: Tensor = self.drop(F.relu(self.dense2(x)))  # [B, 2048]
        return hidden

    def forward(self, mels: Tensor) -> Tensor:
        """Logits of raw (not standardised) log-mels."""
        logits: Tensor = self.head(self.embed(self.standardise(mels)))
        return logits


def global_pool(x: Tensor) -> Tensor:
    """[B, C, T] -> [B, 3C]: mean, max, L2 norm over time. The epsilon keeps the slope finite at zero."""
    norm = (x.square().sum(dim=2) + 1e-8).sqrt()
    return torch.cat([x.mean(dim=2), x.amax(dim=2), norm], dim=1)


def train(
    mels: NDArray[np.float16],
    labels: NDArray[np.int64],
    track_of: Sequence[str] | Sequence[int] | NDArray[Any],
    cfg: GenreCNNConfig,
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
        model = GenreCNN(cfg)
        learn_scale(model, mels, ~held)
        model.to(best_device())
        history, best_epoch = fit(model, mels, labels, tracks, held, on_epoch)
        val_tracks = tuple(sorted(set(tracks[held].tolist())))
    return TrainResult(model.cpu().eval(), tuple(history), best_epoch, val_tracks)


def learn_scale(model: GenreCNN, mels: NDArray[np.float16], use: NDArray[np.bool_]) -> None:
    """Mean and deviation per mel bin over the clips in `use`, into the model's buffers."""
    rows = np.flatnonzero(use)
    per_clip = [mels[i].astype(np.float64) for i in rows[:: max(1, len(rows) // 512)]]  # 512 clips are plenty
    frames = np.concatenate(per_clip)  # [clips * 599, 128]
    model.mean.copy_(torch.tensor(frames.mean(axis=0)))
    model.std.copy_(torch.tensor(np.maximum(frames.std(axis=0), 1e-3)))


def fit(
    model: GenreCNN,
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
    model: GenreCNN,
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
    model: GenreCNN,
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
    per_track = np.zeros((len(names), probs.shape[1]))
    np.add.at(per_track, inverse, probs)
    per_track /= np.bincount(inverse)[:, None]
    truth = np.zeros(len(names), dtype=np.int64)
    truth[inverse] = labels[rows]
    likelihood = per_track[np.arange(len(names)), truth]
    return float(-np.log(likelihood + 1e-9).mean()), float((per_track.argmax(axis=1) == truth).mean())


def predict(
    model: GenreCNN, mels: NDArray[np.float16], batch: int = 64
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Clips [N, 599, 128] -> (probabilities [N, n_genres], embeddings [N, 2048]), on the model's device."""
    model.eval()
    probs = np.zeros((len(mels), model.cfg.n_genres), dtype=np.float32)
    embeddings = np.zeros((len(mels), model.cfg.dense), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(mels), batch):
            x = torch.from_numpy(np.ascontiguousarray(mels[start : start + batch])).to(model.mean.device)
            hidden = model.embed(model.standardise(x))
            embeddings[start : start + batch] = hidden.cpu().numpy()
            probs[start : start + batch] = F.softmax(model.head(hidden), dim=1).cpu().numpy()
    return probs, embeddings


def card(cfg: GenreCNNConfig) -> dict[str, Any]:
    """The configuration as plain values; `from_card` reads it back."""
    return asdict(cfg)


def from_card(values: dict[str, Any]) -> GenreCNNConfig:
    """A configuration from `card`'s values (JSON turns its tuple into a list)."""
    return GenreCNNConfig(**{**values, "conv": tuple(values["conv"]), "vary": Variation(**values["vary"])})


def to_state(model: GenreCNN) -> dict[str, Tensor]:
    """Weights and standardisation by name, on the CPU: what safetensors saves."""
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}


def from_state(cfg: GenreCNNConfig, state: dict[str, Tensor]) -> GenreCNN:
    """The model in eval mode. RuntimeError (torch) names tensors that are missing or of another shape."""
    model = GenreCNN(cfg)
    model.load_state_dict(state)
    return model.eval()


def to_bytes(model: GenreCNN) -> bytes:
    """The model as the bytes of a safetensors file."""
    return save(to_state(model))


def from_bytes(cfg: GenreCNNConfig, blob: bytes) -> GenreCNN:
    """The model from the bytes of a safetensors file."""
    return from_state(cfg, load(blob))
