"""Genre classification by calibrated logistic regression on any track features (descriptors, embeddings, or both).

    min over W, b of  sum over n of loss(y_n, W x_n + b)  +  lambda / 2 |W|^2

with standardized x. loss: softmax cross-entropy if tracks have one genre, sigmoid cross-entropy if they may have
several. Probabilities are softmax(z / T); the temperature T is fitted on cross-validated logits (Guo et al. 2017).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_softmax, softmax

from models.calibration import fit_temperature
from models.types import F64, Mask

Name = TypeVar("Name", bound=str)


@dataclass(frozen=True)
class GenreLogRegConfig:
    """Hyper-parameters."""

    regularization: float = 0.33
    """lambda; scikit-learn's 1 / C."""
    multi_label: bool = False
    """Whether a track may have several genres."""
    folds: int = 4
    """Cross-validation folds of whole tracks for the temperature; below 2: no calibration."""
    iterations: int = 500
    """Maximal steps of L-BFGS."""
    seed: int = 7
    """Seed of the folds."""


@dataclass(frozen=True)
class GenreLogReg:
    """A fitted classifier of D features into G genres."""

    config: GenreLogRegConfig
    mean: F64
    """[D]"""
    scale: F64
    """[D] standard deviations; 1 for constant features."""
    weight: F64
    """[D, G]"""
    bias: F64
    """[G]"""
    temperature: float = 1.0
    cv_loss: float = math.inf
    """Mean log loss per row of cross-validation, after calibration; infinite without cross-validation. Not saved."""

    def logits(self, features: F64) -> F64:
        """Return logits [N, G] for features [N, D]."""
        return ((features - self.mean) / self.scale) @ self.weight + self.bias

    def predict(self, features: F64) -> F64:
        """Return probabilities [N, G] for features [N, D]; rows sum to 1 unless tracks may have several genres."""
        scaled = self.logits(features) / self.temperature
        return np.asarray(expit(scaled) if self.config.multi_label else softmax(scaled, axis=1))


def fit(features: F64, labels: F64, tracks: NDArray[np.str_], config: GenreLogRegConfig | None = None) -> GenreLogReg:
    """Fit features [N, D] to labels [N, G] (1 for the row's genres, or probabilities). Several rows may belong to one
    of `tracks` [N].

    Raises ValueError for mismatching shapes, numbers that are not finite, or rows without a genre.
    """
    config = config or GenreLogRegConfig()
    _check(features, labels, tracks, config)
    model = _fit_weights(features, labels, config)
    if config.folds < 2 or np.unique(tracks).size < config.folds:
        return model
    logits = np.empty(labels.shape)
    for in_fold in _fold_masks(tracks, config):
        logits[in_fold] = _fit_weights(features[~in_fold], labels[~in_fold], config).logits(features[in_fold])
    temperature = fit_temperature(lambda t: _loss(logits / t, labels, config))
    return replace(model, temperature=temperature, cv_loss=_loss(logits / temperature, labels, config) / len(labels))


def fit_best(
    features: Mapping[Name, F64], labels: F64, tracks: NDArray[np.str_], config: GenreLogRegConfig
) -> tuple[GenreLogReg, Name]:
    """Return the model of the features with the smallest cross-validated log loss, and the name of these features.

    The first features win if there are too few tracks for cross-validation. `features`: matrices [N, D] by name.
    """
    models = {name: fit(values, labels, tracks, config) for name, values in features.items()}
    best = min(models, key=lambda name: models[name].cv_loss)
    return models[best], best


def _check(features: F64, labels: F64, tracks: NDArray[np.str_], config: GenreLogRegConfig) -> None:
    if not (features.ndim == labels.ndim == 2 and len(features) == len(labels) == len(tracks) > 0):
        raise ValueError(
            f"features {features.shape}, labels {labels.shape} and tracks {tracks.shape} must have the same number of rows"
        )
    if not (np.isfinite(features).all() and np.isfinite(labels).all()):
        raise ValueError("features and labels must be finite")
    if not config.multi_label and not np.allclose(labels.sum(1), 1):
        raise ValueError("without multi_label the labels of each row must sum to 1")


def _fit_weights(features: F64, labels: F64, config: GenreLogRegConfig) -> GenreLogReg:
    """Fit without calibration."""
    mean, scale = features.mean(0), features.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    x, shape = (features - mean) / scale, (features.shape[1], labels.shape[1])

    def loss_and_grad(flat: F64) -> tuple[float, F64]:
        weight, bias = flat[: -shape[1]].reshape(shape), flat[-shape[1] :]
        logits = x @ weight + bias
        error = (expit(logits) if config.multi_label else softmax(logits, axis=1)) - labels
        grad = np.append((x.T @ error + config.regularization * weight).ravel(), error.sum(0))
        return _loss(logits, labels, config) + config.regularization / 2 * float((weight**2).sum()), grad

    x0 = np.zeros((shape[0] + 1) * shape[1])
    flat = minimize(loss_and_grad, x0, jac=True, method="L-BFGS-B", options={"maxiter": config.iterations}).x
    return GenreLogReg(config, mean, scale, flat[: -shape[1]].reshape(shape), flat[-shape[1] :])


def _loss(logits: F64, labels: F64, config: GenreLogRegConfig) -> float:
    if config.multi_label:
        return -float((labels * log_expit(logits) + (1 - labels) * log_expit(-logits)).sum())
    return -float((labels * log_softmax(logits, axis=1)).sum())


def _fold_masks(tracks: NDArray[np.str_], config: GenreLogRegConfig) -> Iterator[Mask]:
    names, index = np.unique(tracks, return_inverse=True)
    fold = np.random.default_rng(config.seed).permutation(names.size) % config.folds
    for number in range(config.folds):
        yield fold[index] == number


def to_bytes(model: GenreLogReg) -> bytes:
    """Return all fitted parameters as safetensors bytes."""
    arrays = {name: getattr(model, name) for name in ("mean", "scale", "weight", "bias")}
    return save(arrays | {"temperature": np.array([model.temperature])})


def from_bytes(config: GenreLogRegConfig, blob: bytes) -> GenreLogReg:
    """Return the model that `to_bytes` saved."""
    arrays = load(blob)
    temperature = float(arrays["temperature"][0])
    return GenreLogReg(config, arrays["mean"], arrays["scale"], arrays["weight"], arrays["bias"], temperature)


def to_card(config: GenreLogRegConfig) -> dict[str, Any]:
    """Return the configuration as JSON values; `GenreLogRegConfig(**card)` reads it back."""
    return asdict(config)
