"""Training of session networks: losses, validation, resuming, two ranks."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn

from models.data.sequences import SequenceConfig, SequenceDataset
from models.data.sessions import Sessions, build_sessions, every_position
from models.gru4rec import GRU4RecConfig
from models.sequence_losses import LossConfig, loss_sum
from models.sequence_network import SessionNetworkModel, output_of
from models.sequence_priors import SessionRepeats
from models.sequence_training import SequenceObjective, SequenceTrainConfig, TrainedNetwork, fit_network, set_counts
from models.session_networks import build
from models.training.checkpoint import CheckpointMismatchError, TrainState, from_tensors, to_tensors
from models.training.sampled import NegativeSampler
from tests.models.session_networks import CONFIGS, FAST, INPUTS, LOSSES, D, N, fit, queries_of, sessions


def copied(state: TrainState) -> TrainState:
    return from_tensors({name: array.copy() for name, array in to_tensors(state).items()})


def assert_equal_weights(a: nn.Module, b: nn.Module) -> None:
    for name, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[name]), name


@pytest.mark.parametrize("name", CONFIGS)
def test_training_is_seeded_and_resumes_to_the_same_bits(name: str) -> None:
    cfg, states = SequenceTrainConfig(FAST, val_share=0.2), list[TrainState]()
    first = fit(name, sessions(), cfg, save_checkpoint=lambda state: states.append(copied(state)))
    again = fit(name, sessions(), cfg, resume_from=states[0])
    assert_equal_weights(first.model.network, again.model.network)
    assert first.history == again.history
    other = fit(name, sessions(), replace(cfg, optimization=replace(FAST, seed=8, epochs=1)))
    assert not torch.equal(other.model.network.bias, first.model.network.bias)


def test_a_checkpoint_of_another_network_or_loss_is_refused() -> None:
    cfg, states = SequenceTrainConfig(replace(FAST, epochs=1)), list[TrainState]()
    fit("gru4rec", sessions(), cfg, save_checkpoint=states.append)
    with pytest.raises(CheckpointMismatchError):
        fit("gru4rec", sessions(), replace(cfg, loss=LOSSES["bpr_max"]), resume_from=states[0])
    with pytest.raises(CheckpointMismatchError):
        fit_network(lambda: build(replace(CONFIGS["gru4rec"], item_dropout=0.5)), sessions(), cfg, resume_from=states[0])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "narm"])
def test_gradients_reach_every_parameter(name: str, loss: str) -> None:
    torch.manual_seed(0)
    network, data = build(CONFIGS[name]), sessions()
    set_counts(network, data, LOSSES[loss])
    batch = SequenceDataset(data, INPUTS).__getitems__(list(range(8)))
    output = output_of(network, batch)
    loss_sum(LOSSES[loss], NegativeSampler.of_counts(network.counts, 0.0), output, batch.targets, batch.weights).backward()  # type: ignore[no-untyped-call]
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all()
        # the queries of keys' biases cancel in a softmax
        assert (parameter.grad != 0).any(), parameter_name


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_overfits_32_sessions(loss: str) -> None:
    rng = np.random.default_rng(5)
    order = rng.permutation(N)  # each item has one successor
    items = np.stack([order[(start + np.arange(4)) % N] for start in rng.integers(0, N, 32)])
    data = build_sessions(np.arange(32).repeat(4), items.ravel(), np.arange(128.0), np.zeros(128, np.int64), N, 1)
    config = GRU4RecConfig(N, 16, embedding_dropout=0.0, hidden_dropout=0.0, inputs=INPUTS)
    epochs, lr = (120, 0.06) if loss.endswith("bce") else (40, 0.03)  # few negatives per step
    cfg = SequenceTrainConfig(replace(FAST, epochs=epochs, lr=lr, batch_size=16), LOSSES[loss])
    model = fit_network(lambda: build(config), data, cfg).model
    queries, _ = every_position(data, data.select(np.zeros(32, bool)))
    assert (model.recommend(queries, 1).items[:, 0] == queries.items[queries.ends]).mean() > 0.9


@pytest.mark.parametrize("name", CONFIGS)
def test_every_network_overfits_32_sessions(name: str) -> None:
    config = replace(CONFIGS[name], dim=16, item_dropout=0.0)
    off: dict[str, Any] = {field: 0.0 for field in vars(config) if field.endswith("dropout")}
    rng = np.random.default_rng(6)
    data = build_sessions(np.arange(32).repeat(3), rng.integers(0, N, 96), np.arange(96.0), np.arange(32).repeat(3), N, 32)
    cfg = SequenceTrainConfig(replace(FAST, epochs=40, lr=0.03, batch_size=16))
    model = fit_network(lambda: build(replace(config, **off)), data, cfg).model
    queries, _ = every_position(data, data.select(np.zeros(32, bool)))
    second = queries[queries.ends - queries.starts == 2]
    targets = second.items[second.ends]
    assert (model.recommend(second, 1).items[:, 0] == targets).mean() > 0.9


def test_validation_reads_the_newest_sessions_only() -> None:
    data = sessions(40)
    seen = []

    def prior(train: Sessions) -> SessionRepeats:
        seen.append(train)
        return SessionRepeats(3)

    config = replace(CONFIGS["gru4rec"], n_prior_features=4)
    result = fit_network(lambda: build(config), data, SequenceTrainConfig(FAST, val_share=0.25), prior=prior)
    assert len(seen[0]) == 30
    assert seen[0].ends.max() < data.ends[30]
    assert set(result.history[0].metrics) == {"loss", "hr@20", "mrr@20"}
    assert result.history[0].metrics["loss"] == pytest.approx(1 - result.history[0].metrics["mrr@20"])


def test_recent_days_leave_out_older_sessions() -> None:
    data = sessions(40)
    cfg = SequenceTrainConfig(replace(FAST, epochs=1), recent_days=10_000 / 86_400)
    counts = fit("gru4rec", data, cfg).model.network.counts
    assert_array_equal(counts, np.bincount(data.items[data.indptr[29] :], minlength=N))


def test_wrong_arguments_are_refused() -> None:
    cfg = SequenceTrainConfig(FAST)
    with pytest.raises(ValueError, match="two plays"):
        fit("gru4rec", sessions(5, longest=1).select(np.arange(5) > 0), cfg)
    with pytest.raises(ValueError, match="31 items"):
        fit_network(lambda: build(GRU4RecConfig(31, D)), sessions(), cfg)
    with pytest.raises(ValueError, match="prior features"):
        fit("gru4rec", sessions(), cfg, prior=lambda _: SessionRepeats())
    with pytest.raises(ValueError, match="negative"):
        LossConfig("bpr_max", negatives=0)
    with pytest.raises(ValueError, match="overlap"):
        SequenceConfig(max_length=5, overlap=5)


def test_the_objective_validates_the_network_that_is_trained() -> None:
    model = SessionNetworkModel(build(CONFIGS["gru4rec"]))
    objective = SequenceObjective(model, LossConfig(), queries_of([1])[:0])
    assert objective.validate(model.network) == {}
    with pytest.raises(AssertionError):
        objective.validate(build(CONFIGS["gru4rec"]))


RANKED = SequenceTrainConfig(replace(FAST, batch_size=6), LOSSES["gru4rec"], val_share=0.2)


@dataclass(frozen=True)
class Stored:
    """Weights of a rank."""

    folder: Path

    def save(self, name: str, rank: int, network: nn.Module) -> None:
        torch.save(network.state_dict(), self.folder / f"{name}-{rank}.pt")

    def load(self, name: str, rank: int) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = torch.load(self.folder / f"{name}-{rank}.pt")
        return weights


def run_rank(rank: int, folder: str) -> None:
    """Train in one of two processes, once more from the checkpoint after the first epoch, and without random numbers."""
    distributed.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=2)
    try:
        states, stored = list[TrainState](), Stored(Path(folder))
        unbroken = fit("gru4rec", sessions(), RANKED, save_checkpoint=lambda state: states.append(copied(state)))
        stored.save("unbroken", rank, unbroken.model.network)
        state = [to_tensors(states[0]) if rank == 0 else None]
        distributed.broadcast_object_list(state)
        assert state[0] is not None
        resumed = fit("gru4rec", sessions(), RANKED, resume_from=from_tensors(state[0]))
        stored.save("resumed", rank, resumed.model.network)
        stored.save("plain", rank, fit_without_dropout().model.network)
    finally:
        distributed.destroy_process_group()


def fit_without_dropout() -> TrainedNetwork:
    config = GRU4RecConfig(N, D, embedding_dropout=0.0, hidden_dropout=0.0, inputs=INPUTS)
    data = sessions(25).select(sessions(25).lengths > 1)
    even = data.select(np.arange(len(data)) < len(data) // 2 * 2)
    cfg = SequenceTrainConfig(replace(FAST, batch_size=2))
    return fit_network(lambda: build(config).double(), even, cfg)


def test_two_ranks_resume_to_the_same_bits_and_learn_what_one_learns(tmp_path: Path) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    spawn(run_rank, (str(tmp_path),), nprocs=2)  # type: ignore[no-untyped-call]
    stored, one_rank = Stored(tmp_path), fit_without_dropout().model.network.state_dict()
    for rank in range(2):
        unbroken, resumed, plain = (stored.load(name, rank) for name in ("unbroken", "resumed", "plain"))
        for name, value in unbroken.items():
            assert torch.equal(value, resumed[name]), name
            assert torch.equal(value, stored.load("unbroken", 0)[name]), name
        torch.testing.assert_close(plain, one_rank, rtol=1e-6, atol=1e-8)
