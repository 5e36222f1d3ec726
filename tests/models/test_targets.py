"""Targets of clip networks, and calibration."""

import numpy as np
import pytest
import torch

from models import clip_training
from models.clip_network import predict
from models.clip_training import Validation
from models.content_factors import to_unit
from models.data.clips import AugmentConfig
from models.genre_networks import make_config
from models.training.targets import EmbeddingRegression, Multiclass, Multilabel, Targets, Task

AS_IT_IS = AugmentConfig(0.0, 0.0, 0, 0, 0)
FRAMES = 150
SMALL = make_config(
    "genre_cnn", n_outputs=2, frames=FRAMES, conv=(8, 8, 16, 16), dense=16, epochs=20, batch_size=8, val_share=0.25, lr=4e-3,
    patience=30, augment=AS_IT_IS, threads=1,
)  # fmt: skip


def bands(loud: np.ndarray, seed: int = 0) -> np.ndarray:
    """Clips [N, FRAMES, 128] of noise; `loud` [N, 2] raises the lower and upper half of the bins."""
    mels = np.random.default_rng(seed).normal(0, 0.5, (len(loud), FRAMES, 128))
    mels[:, :, :64] += loud[:, 0, None, None]
    mels[:, :, 64:] += loud[:, 1, None, None]
    return mels.astype(np.float16)


def test_multilabel_network_predicts_both_genres_of_a_clip() -> None:
    loud = np.tile([[1, 0], [0, 1], [1, 1]], (12, 1)).astype(np.float32)
    names = [f"t{n}" for n in range(len(loud))]
    result = clip_training.train(bands(loud), loud, names, SMALL.replace(task="multilabel"))
    probabilities, _ = predict(result.model, bands(loud[:3], seed=1))
    np.testing.assert_array_equal(probabilities > 0.5, loud[:3] > 0)
    assert probabilities[2].sum() > 1.2, "each by itself"


def test_side_features_improve_predicted_factors() -> None:
    rng = np.random.default_rng(2)
    loud, text = rng.uniform(0, 2, (48, 2)), rng.normal(size=(48, 1)).astype(np.float32)
    factors = to_unit(np.column_stack([loud[:, 0] - 1, loud[:, 1] - 1, text[:, 0]])).astype(np.float32)
    names = [f"t{n}" for n in range(48)]
    cosine = {}
    for side in (None, text):
        cfg = SMALL.replace(n_outputs=3, task="regression", n_side_features=0 if side is None else 1, val_share=0.0, epochs=30)
        use = slice(0, 36)
        given = None if side is None else side[use]
        targets = EmbeddingRegression(factors[use])
        model = clip_training.train(bands(loud)[use], targets, names[use], cfg, side_features=given).model
        probabilities, _ = predict(model, bands(loud)[36:], side_features=None if side is None else side[36:])
        cosine[cfg.network.n_side_features] = float((to_unit(probabilities.astype(np.float64)) * factors[36:]).sum(1).mean())
    assert cosine[1] > cosine[0] + 0.1 > 0.3


def test_calibration_softens_overconfident_probabilities() -> None:
    """A third of the labels are wrong; logits scaled by ten are overconfident."""
    rng = np.random.default_rng(3)
    truth = np.arange(96) % 2
    labels = np.where(rng.random(96) < 1 / 3, 1 - truth, truth)
    names, mels = np.array([f"t{n:02d}" for n in range(96)]), bands(np.eye(2)[truth])
    model = clip_training.train(mels, labels, names, SMALL.replace(epochs=3)).model
    with torch.no_grad():
        model.head.weight.mul_(10)
        model.head.bias.mul_(10)
    targets, val_mask = Multiclass(labels, 2), np.arange(96) % 3 == 0
    losses, right = [], []
    for sure in (True, False):
        model.temperature.fill_(1.0)
        if not sure:
            Validation(mels, targets, names, np.flatnonzero(val_mask)).calibrate(model)
        metrics = targets.metrics(predict(model, mels[val_mask])[0].astype(np.float64), np.flatnonzero(val_mask))
        losses.append(metrics["loss"])
        right.append(metrics["accuracy"])
    assert losses[1] < losses[0] - 0.1
    assert losses[1] < np.log(2) + 0.01, "not worse than uniform probabilities"
    assert right[0] == right[1], "calibration does not change the most probable genre"


@pytest.mark.parametrize("several", [False, True])
def test_indistinguishable_genres_get_their_frequencies_as_probabilities(several: bool) -> None:
    """Class weights of training must not affect predicted probabilities."""
    genre = np.array([0] * 80 + [1] * 16)
    labels = np.column_stack([np.ones(96), genre]).astype(np.float32) if several else genre
    cfg = SMALL.replace(task="multilabel" if several else SMALL.network.task, epochs=2, label_smoothing=0.0)
    model = clip_training.train(bands(np.ones((96, 2))), labels, [f"t{n:02d}" for n in range(96)], cfg).model
    probabilities, _ = predict(model, bands(np.ones((64, 2)), seed=1))
    assert probabilities[:, 1].mean() == pytest.approx(1 / 6, abs=0.08)


def test_few_validation_tracks_leave_the_temperature_at_one() -> None:
    loud = np.tile([[1, 0], [0, 1]], (8, 1)).astype(np.float32)
    result = clip_training.train(bands(loud), loud.argmax(1), [f"t{n}" for n in range(16)], SMALL.replace(epochs=2))
    assert float(result.model.temperature) == 1.0


@pytest.mark.parametrize(
    ("targets", "task", "message"),
    [
        (Multiclass(np.zeros(4, np.int64), 2), "multilabel", "cannot be trained"),
        (Multilabel(np.zeros((4, 2), np.float32)), "multilabel", "a 1 in every row"),
        (Multilabel(np.full((4, 2), 0.5, np.float32)), "multilabel", "of 0 and 1"),
        (EmbeddingRegression(np.ones((4, 3), np.float32)), "regression", r"vectors \[4, 2\]"),
        (EmbeddingRegression(np.full((4, 2), np.nan, np.float32)), "regression", "finite"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets: Targets, task: Task, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clip_training.train(bands(np.zeros((4, 2))), targets, list("abcd"), SMALL.replace(task=task))


@pytest.mark.parametrize(
    ("side_features", "message"), [(np.ones((4, 1)), "need side features"), (np.full((4, 3), np.nan), "finite")]
)
def test_side_features_that_do_not_fit_are_refused(side_features: np.ndarray, message: str) -> None:
    cfg = SMALL.replace(task="regression", n_side_features=3)
    with pytest.raises(ValueError, match=message):
        clip_training.train(
            bands(np.zeros((4, 2))), EmbeddingRegression(np.ones((4, 2), np.float32)), list("abcd"), cfg,
            side_features=side_features.astype(np.float32),
        )  # fmt: skip
