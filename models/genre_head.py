"""A classic genre classifier: logistic regression on any features of a track (descriptors, embeddings, both), calibrated.

    min over W, b of  sum over n of loss(y_n, W x_n + b)  +  lambda / 2 |W|^2

with x standardised; loss: cross-entropy of the softmax where a track has one genre, of independent sigmoids where it may have more.
Probabilities are softened by one temperature T, softmax(z / T), found on folds that the fit had not seen (Guo et al. 2017).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax

Reals = NDArray[np.float64]
CALM = (0.2, 20.0)
"""Temperatures that are considered."""


@dataclass(frozen=True)
class GenreHeadConfig:
    """How it is fitted."""

    regularisation: float = 0.33
    """lambda; scikit-learn's 1 / C."""
    multi_label: bool = False
    """Whether a track may have several genres."""
    folds: int = 4
    """Of whole tracks, for the temperature; below 2: none is looked for."""
    iterations: int = 500
    """Most steps of L-BFGS."""
    seed: int = 7
    """Of the folds."""


@dataclass(frozen=True)
class GenreHead:
    """A fitted classifier of D features into G genres."""

    config: GenreHeadConfig
    mean: Reals
    """[D]"""
    scale: Reals
    """[D] deviations; 1 where a feature never changes."""
    weight: Reals
    """[D, G]"""
    bias: Reals
    """[G]"""
    temperature: float = 1.0

    def logits(self, features: Reals) -> Reals:
        """[N, G] of features [N, D]."""
        return ((features - self.mean) / self.scale) @ self.weight + self.bias

    def predict(self, features: Reals) -> Reals:
        """Probabilities [N, G] of features [N, D]; rows sum to 1 where a track has one genre."""
        calm = self.logits(features) / self.temperature
        return np.asarray(expit(calm) if self.config.multi_label else softmax(calm, axis=1))


def fit(features: Reals, labels: Reals, tracks: NDArray[np.str_], config: GenreHeadConfig | None = None) -> GenreHead:
    """Fit on features [N, D] and labels [N, G] (1 where the genre is the row's, or shares). Rows may be of one of `tracks` [N].

    Raises ValueError for shapes that do not go together, numbers that are not finite, and rows without a genre.
    """
    config = config or GenreHeadConfig()
    _check(features, labels, tracks, config)
    head = _fitted(features, labels, config)
    if config.folds < 2 or np.unique(tracks).size < config.folds:
        return head
    unseen = np.empty(labels.shape)
    for held in _folds(tracks, config):
        unseen[held] = _fitted(features[~held], labels[~held], config).logits(features[held])
    found = minimize_scalar(lambda calm: _loss(unseen / calm, labels, config), bounds=CALM, method="bounded")
    return replace(head, temperature=float(found.x))


def _check(features: Reals, labels: Reals, tracks: NDArray[np.str_], config: GenreHeadConfig) -> None:
    if not (features.ndim == labels.ndim == 2 and len(features) == len(labels) == len(tracks) > 0):
        raise ValueError(
            f"features {features.shape}, labels {labels.shape} and tracks {tracks.shape} are not of the same rows"
        )
    if not (np.isfinite(features).all() and np.isfinite(labels).all()):
        raise ValueError("features and labels must be finite numbers")
    if not config.multi_label and not np.allclose(labels.sum(1), 1):
        raise ValueError("without multi_label the labels of each row must sum to 1")


def _fitted(features: Reals, labels: Reals, config: GenreHeadConfig) -> GenreHead:
    mean, scale = features.mean(0), features.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    x, shape = (features - mean) / scale, (features.shape[1], labels.shape[1])

    def cost(flat: Reals) -> tuple[float, Reals]:
        weight, bias = flat[: -shape[1]].reshape(shape), flat[-shape[1] :]
        logits = x @ weight + bias
        wrong = (expit(logits) if config.multi_label else softmax(logits, axis=1)) - labels
        slope = np.append((x.T @ wrong + config.regularisation * weight).ravel(), wrong.sum(0))
        return _loss(logits, labels, config) + config.regularisation / 2 * float((weight**2).sum()), slope

    start = np.zeros((shape[0] + 1) * shape[1])
    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": config.iterations}).x
    return GenreHead(config, mean, scale, found[: -shape[1]].reshape(shape), found[-shape[1] :])


def _loss(logits: Reals, labels: Reals, config: GenreHeadConfig) -> float:
    if config.multi_label:
        return -float((labels * log_expit(logits) + (1 - labels) * log_expit(-logits)).sum())
    return -float((labels * log_softmax(logits, axis=1)).sum())


def _folds(tracks: NDArray[np.str_], config: GenreHeadConfig) -> Iterator[NDArray[np.bool_]]:
    names, place = np.unique(tracks, return_inverse=True)
    fold = np.random.default_rng(config.seed).permutation(names.size) % config.folds
    for number in range(config.folds):
        yield fold[place] == number


def to_bytes(head: GenreHead) -> bytes:
    """Everything that was learned, as the bytes of a safetensors file."""
    parts = {name: getattr(head, name) for name in ("mean", "scale", "weight", "bias")}
    return save(parts | {"temperature": np.array([head.temperature])})


def from_bytes(config: GenreHeadConfig, blob: bytes) -> GenreHead:
    """The head from the bytes of a safetensors file."""
    found = load(blob)
    temperature = float(found.pop("temperature")[0])
    return GenreHead(config, temperature=temperature, **found)


def card(config: GenreHeadConfig) -> dict[str, Any]:
    """The configuration as plain values; `GenreHeadConfig(**card)` reads it back."""
    return asdict(config)
