"""Genre networks: layer shapes as PMRS prints them, training, serialization."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save
from safetensors.torch import load
from torch.nn import functional as F

from models import clip_training, genre_cnn, genre_networks
from models.clip_config import ClipModelConfig
from models.clip_network import predict
from models.clip_training import TrainResult
from models.data.clips import AugmentConfig, augment, split_tracks
from models.defaults import NETWORK_NAMES
from models.genre_cnn import GenreCNN, GenreCNNConfig
from models.genre_networks import make_config
from models.short_chunk import ShortChunkCNN, ShortChunkConfig
from models.training.checkpoint import EpochReport, from_tensors, to_tensors
from models.training.targets import balanced_class_weights

SMALL = make_config(
    "genre_cnn", n_outputs=3, conv=(16, 16, 32, 32), dense=32, epochs=20, batch_size=8, val_share=0.25, lr=2e-3
)
SHORT = make_config(
    "short_chunk", n_outputs=3, channels=(4, 8, 8, 8, 16, 16), epochs=8, batch_size=8, val_share=0.25, lr=1e-2
)
STORED = Path(__file__).parent / "data"
"""Cards and weights that the version of 29 November 2026 wrote, with the predictions of that version."""
Clips = tuple[NDArray[np.float16], NDArray[np.int64], NDArray[np.str_]]


def rhythms(tracks: int = 24, clips: int = 2, seed: int = 0) -> Clips:
    """Clips whose genre is the rate of pulses; their mean spectra are equal."""
    rng = np.random.default_rng(seed)
    n = tracks * clips
    labels = np.repeat(np.arange(tracks) % 3, clips)
    mels = rng.normal(5, 0.5, size=(n, 599, 128))
    for i, genre in enumerate(labels):
        period = (12, 24, 48)[genre]
        pulse = (np.arange(599) + rng.integers(period)) % period < period // 3
        mels[i, pulse] += 3.0
    names = np.array([f"TR{t:03d}" for t in range(tracks)])
    return mels.astype(np.float16), labels.astype(np.int64), np.repeat(names, clips)


def test_settings_offer_the_networks_that_can_be_built() -> None:
    assert tuple(genre_networks.NETWORKS) == NETWORK_NAMES


@pytest.fixture(scope="module", params=[SMALL, SHORT], ids=lambda cfg: genre_networks.network_name(cfg.network))
def small(request: pytest.FixtureRequest) -> ClipModelConfig:
    """Each network in a small size."""
    config: ClipModelConfig = request.param
    return config


@pytest.fixture(scope="module")
def trained(small: ClipModelConfig) -> TrainResult:
    return clip_training.train(*rhythms(), small)


def test_layer_shapes_equal_those_of_the_paper() -> None:
    model = GenreCNN(GenreCNNConfig()).eval()
    shapes = []
    with torch.inference_mode():
        x = torch.randn(1, 599, 128).transpose(1, 2)
        for conv, pool in ((model.conv1, 4), (model.conv2, 2), (model.conv3, 2), (model.conv4, 1)):
            x = F.relu(conv(x))
            shapes.append(tuple(x.shape[1:]))
            x = F.max_pool1d(x, pool)
            shapes.append(tuple(x.shape[1:]))
        x = genre_cnn.global_pool(x)
        shapes += [
            tuple(x.shape[1:]),
            tuple(model.dense1(x).shape[1:]),
            tuple(model.dense2(model.dense1(x)).shape[1:]),
        ]
        logits = model(torch.randn(2, 599, 128))
    assert shapes == [
        (256, 596), (256, 149), (256, 146), (256, 73), (512, 70), (512, 35), (512, 32), (512, 32),
        (1536,), (2048,), (2048,),
    ]  # fmt: skip
    assert logits.shape == (2, 7)
    assert model.embed(torch.randn(2, 599, 128)).shape == (2, 2048)


def test_short_chunk_blocks_halve_until_one_bin_is_left() -> None:
    model = ShortChunkCNN(ShortChunkConfig()).eval()
    shapes = []
    with torch.inference_mode():
        x = F.avg_pool2d(torch.randn(1, 1, 599, 128), 2)
        for block in model.blocks:
            x = block(x)
            shapes.append(tuple(x.shape[1:]))
        assert model(torch.randn(2, 599, 128)).shape == (2, 7)
    assert shapes == [(16, 149, 32), (32, 74, 16), (32, 37, 8), (64, 18, 4), (64, 9, 2), (128, 4, 1)]


def test_global_pool_is_mean_max_and_l2() -> None:
    x = torch.tensor([[[3.0, 4.0]]])
    torch.testing.assert_close(genre_cnn.global_pool(x), torch.tensor([[3.5, 4.0, 5.0]]))


@pytest.mark.smoke
def test_trained_network_classifies_rhythms_with_equal_mean_spectra(trained: TrainResult) -> None:
    mels, labels, _ = rhythms(seed=9)
    probs, embeddings = predict(trained.model, mels)
    assert (probs.argmax(axis=1) == labels).mean() > 0.8
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-5)
    assert embeddings.shape == (len(mels), trained.model.width)


def test_equal_seeds_equal_weights(trained: TrainResult, small: ClipModelConfig) -> None:
    again = clip_training.train(*rhythms(), small)
    assert genre_networks.to_bytes(again.model) == genre_networks.to_bytes(trained.model)
    assert again.history == trained.history


def test_training_restores_torchs_seed_and_threads() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    mels, labels, tracks = rhythms(6)
    clip_training.train(mels, labels, tracks, SMALL.replace(epochs=1, augment=AugmentConfig()))
    assert torch.get_num_threads() == threads
    torch.testing.assert_close(torch.rand(3), expected)


def test_batched_prediction_equals_single_predictions(trained: TrainResult) -> None:
    mels, _, _ = rhythms(6)
    together, _ = predict(trained.model, mels, batch_size=64)
    alone, _ = predict(trained.model, mels, batch_size=1)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_save_and_load_round_trip(trained: TrainResult, small: ClipModelConfig) -> None:
    cfg = genre_networks.from_card(json.loads(json.dumps(genre_networks.to_card(small))))
    assert cfg == small
    blob = genre_networks.to_bytes(trained.model)
    assert {"mean", "std", "head.weight"} <= set(load(blob))
    mels, _, _ = rhythms(6)
    loaded = genre_networks.from_bytes(cfg.network, blob)
    np.testing.assert_array_equal(predict(loaded, mels)[0], predict(trained.model, mels)[0])


@pytest.mark.parametrize("name", sorted(genre_networks.NETWORKS))
def test_a_model_stored_by_an_earlier_version_gives_its_predictions(name: str) -> None:
    stored = json.loads((STORED / f"stored_{name}.json").read_text())
    cfg = genre_networks.from_card(stored["card"])
    model = genre_networks.from_bytes(cfg.network, (STORED / f"stored_{name}.safetensors").read_bytes())
    mels = np.random.default_rng(0).normal(5, 1, (24, 599, 128)).astype(np.float16)[:3]
    np.testing.assert_allclose(predict(model, mels)[0], stored["probabilities"], atol=1e-5)
    assert json.loads(json.dumps(genre_networks.to_card(cfg))) == stored["card"], "and a new card has the same settings"


@pytest.mark.parametrize("name", sorted(genre_networks.NETWORKS))
def test_no_setting_of_a_network_has_the_name_of_one_of_its_training(name: str) -> None:
    cfg = make_config(name)
    network, training = ({item.name for item in fields(part)} for part in (cfg.network, cfg.training))
    assert not network & training


def test_an_unknown_setting_of_a_network_is_refused() -> None:
    with pytest.raises(TypeError, match="epoch_count"):
        make_config("genre_cnn", epoch_count=3)


def test_validation_split_has_whole_tracks_of_every_genre(trained: TrainResult) -> None:
    _, labels, tracks = rhythms()
    val_mask = split_tracks(tracks, labels, 0.25, seed=7)
    assert set(tracks[val_mask]).isdisjoint(tracks[~val_mask])
    assert [int((labels[val_mask] == g).sum()) for g in range(3)] == [4, 4, 4]  # 2 of 8 tracks, 2 clips each
    assert trained.val_tracks == tuple(sorted(set(tracks[val_mask])))
    order = np.random.default_rng(1).permutation(len(tracks))
    np.testing.assert_array_equal(split_tracks(tracks[order], labels[order], 0.25, 7), val_mask[order])


@pytest.mark.parametrize("epochs", [1, 4])
def test_training_with_fewer_steps_than_the_warm_up_runs(epochs: int) -> None:
    result = clip_training.train(*rhythms(4), SMALL.replace(epochs=epochs, batch_size=1_000, max_clips=10_000, patience=epochs))
    assert len(result.history) == epochs


def test_epochs_are_reported_and_the_best_is_kept() -> None:
    seen: list[EpochReport] = []
    result = clip_training.train(*rhythms(12), SMALL, on_epoch=seen.append)
    assert tuple(seen) == result.history
    losses = [report.metrics["loss"] for report in seen]
    assert result.best_epoch == 1 + int(np.argmin(losses))


def test_resumed_training_gives_the_bits_of_an_uninterrupted_one(small: ClipModelConfig) -> None:
    """One thread: several may sum in varying order."""
    cfg = small.replace(threads=1, epochs=4, patience=2)
    clips, states = rhythms(8), []
    uninterrupted = clip_training.train(*clips, cfg, save_checkpoint=lambda state: states.append(save(to_tensors(state))))
    assert len(states) == len(uninterrupted.history) > 1
    for done, state in enumerate(states, 1):
        seen: list[EpochReport] = []
        again = clip_training.train(*clips, cfg, seen.append, from_tensors(load_arrays(state)))
        assert [one.epoch for one in seen] == list(range(done + 1, len(states) + 1))
        assert (again.history, again.best_epoch) == (uninterrupted.history, uninterrupted.best_epoch)
        assert genre_networks.to_bytes(again.model) == genre_networks.to_bytes(uninterrupted.model)


def test_without_validation_tracks_the_last_epoch_is_kept() -> None:
    cfg = make_config("genre_cnn", n_outputs=3, conv=(8, 8, 8, 8), dense=16, epochs=2, val_share=0.0)
    result = clip_training.train(*rhythms(6), cfg)
    assert result.val_tracks == ()
    assert result.best_epoch == 2


def test_class_weights_balance_and_ignore_absent_genres() -> None:
    labels = np.array([0, 0, 0, 1])
    weights = balanced_class_weights(labels, 3)
    torch.testing.assert_close(weights, torch.tensor([4 / 6, 2.0, 0.0]))
    assert float(weights[labels].sum()) == pytest.approx(4)


def test_augmentation_keeps_the_shape_and_repeats_with_its_seed() -> None:
    x = torch.randn(4, 599, 128)
    first = augment(x, AugmentConfig(), torch.Generator().manual_seed(1))
    second = augment(x, AugmentConfig(), torch.Generator().manual_seed(1))
    assert first.shape == x.shape
    torch.testing.assert_close(first, second)
    still = augment(x, AugmentConfig(0, 0, 0, 0, 0), torch.Generator().manual_seed(1))
    torch.testing.assert_close(still.sum(dim=1), x.sum(dim=1), atol=1e-3, rtol=0)  # only rolled


def test_invalid_inputs_raise_errors_that_name_them() -> None:
    mels, labels, tracks = rhythms(6)
    with pytest.raises(ValueError, match=r"class numbers must be in 0\.\.2: got 0\.\.5"):
        clip_training.train(mels, labels + 3 * (labels == 2), tracks, SMALL)
    with pytest.raises(ValueError, match="need clips"):
        clip_training.train(mels[:, :100], labels, tracks, SMALL)
    broken = mels.copy()
    broken[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        clip_training.train(broken, labels, tracks, SMALL)
