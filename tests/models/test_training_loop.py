"""The training loop on a linear model: ranks, resuming, early stopping, and checkpoints that do not fit."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn
from torch.utils.data import Dataset

from models.training.checkpoint import CheckpointMismatchError, EpochReport, TrainState, from_tensors, to_tensors
from models.training.loop import FitResult, TrainConfig, TrainingDivergedError, epoch_seed, fit

CFG = TrainConfig(epochs=4, batch_size=8, lr=0.1, threads=1, patience=4)
Batch = tuple[Tensor, Tensor]


class Points(Dataset[Batch]):
    """64 points [3] with a linear target and some noise."""

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.x = torch.from_numpy(rng.normal(size=(64, 3)))
        self.y = self.x @ torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64) + 0.1 * torch.from_numpy(
            rng.normal(size=(64, 1))
        )

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> Batch:
        return self.x[indices], self.y[indices]


@dataclass
class SquaredError:
    """Squared error; `losses`: what validation reports, epoch by epoch, in place of a computed loss."""

    losses: tuple[float, ...] = ()
    noise: float = 0.0
    epoch: int = 0

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        x, y = batch
        x = x + self.noise * torch.randn_like(x)
        return ((model(x) - y) ** 2).sum(), torch.tensor(float(len(x)), dtype=torch.float64)

    def validate(self, model: nn.Module) -> dict[str, float]:
        self.epoch += 1
        if self.losses:
            return {"loss": self.losses[self.epoch - 1]}
        points = Points()
        with torch.no_grad():
            return {"loss": float(((model(points.x) - points.y) ** 2).mean())}


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1, dtype=torch.float64)


def trained(cfg: TrainConfig, objective: Any, **options: Any) -> tuple[nn.Linear, FitResult]:
    model = linear()
    return model, fit(model, objective, Points(), cfg, **options)


def copied(state: TrainState) -> TrainState:
    return from_tensors({name: array.copy() for name, array in to_tensors(state).items()})


def run_rank(rank: int, folder: str, cfg: TrainConfig, stop_after: int) -> None:
    """Train in one of two processes, and once more from the checkpoint after epoch `stop_after`."""
    distributed.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=2)
    try:
        states: list[TrainState] = []
        model, result = trained(cfg, SquaredError(noise=0.01), save_checkpoint=lambda s: states.append(copied(s)))
        torch.save((model.state_dict(), [vars(report) for report in result.history]), f"{folder}/whole-{rank}.pt")
        if rank == 0:
            save_file(to_tensors(states[stop_after - 1]), f"{folder}/state")
        distributed.barrier()
        state = from_tensors(load_file(f"{folder}/state"))
        resumed, _ = trained(cfg, SquaredError(noise=0.01), resume_from=state)
        torch.save(resumed.state_dict(), f"{folder}/resumed-{rank}.pt")
        silent, result = trained(cfg, SquaredError())
        torch.save((silent.state_dict(), [vars(report) for report in result.history]), f"{folder}/silent-{rank}.pt")
    finally:
        distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    spawn(run_rank, (str(folder), CFG, 2), nprocs=2)  # type: ignore[no-untyped-call]
    return folder


def test_two_ranks_give_the_weights_and_losses_of_one(two_ranks: Path) -> None:
    model, result = trained(CFG, SquaredError())
    for rank in range(2):
        weights, history = torch.load(two_ranks / f"silent-{rank}.pt")
        torch.testing.assert_close(weights, model.state_dict(), rtol=1e-12, atol=1e-12)
        assert [report["train_loss"] for report in history] == pytest.approx(
            [r.train_loss for r in result.history], rel=1e-12
        )
        assert [r["metrics"]["loss"] for r in history] == pytest.approx(
            [r.metrics["loss"] for r in result.history], rel=1e-12
        )


def test_two_ranks_resume_bit_exactly_with_random_numbers_in_the_loss(two_ranks: Path) -> None:
    for rank in range(2):
        weights, _ = torch.load(two_ranks / f"whole-{rank}.pt")
        resumed = torch.load(two_ranks / f"resumed-{rank}.pt")
        assert all(torch.equal(weights[name], resumed[name]) for name in weights)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_training_killed_after_an_epoch_resumes_to_the_same_bits(stop_after: int) -> None:
    states: list[TrainState] = []
    uninterrupted, result = trained(CFG, SquaredError(noise=0.1), save_checkpoint=lambda state: states.append(copied(state)))
    reports: list[EpochReport] = []
    state = states[stop_after - 1]
    resumed, again = trained(CFG, SquaredError(noise=0.1), resume_from=state, on_epoch=reports.append)
    assert [report.epoch for report in reports] == list(range(stop_after + 1, 5))
    assert again == result
    assert all(
        torch.equal(a, b) for a, b in zip(uninterrupted.state_dict().values(), resumed.state_dict().values(), strict=True)
    )


def test_a_training_runs_with_the_configured_threads_and_restores_seed_and_threads() -> None:
    threads = set()

    class RecordsThreads(SquaredError):
        def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            threads.add(torch.get_num_threads())
            return super().loss(model, batch)

    model, previous = linear(), torch.get_num_threads()
    torch.set_num_threads(2)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    try:
        fit(model, RecordsThreads(noise=0.1), Points(), replace(CFG, threads=3))
        assert threads == {3}
        assert torch.get_num_threads() == 2
        torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    finally:
        torch.set_num_threads(previous)


def test_training_stops_after_patience_and_keeps_the_best_epoch() -> None:
    states: list[TrainState] = []
    losses = (3.0, 1.0, 2.0, 1.5, 0.5)
    cfg = replace(CFG, epochs=5, patience=2)
    model, result = trained(cfg, SquaredError(losses), save_checkpoint=lambda state: states.append(copied(state)))
    assert (result.best_epoch, len(result.history)) == (2, 4)
    torch.testing.assert_close(model.state_dict(), states[1].model, rtol=0, atol=0)


def test_without_validation_the_last_epoch_is_kept() -> None:
    class NoValidation(SquaredError):
        def validate(self, model: nn.Module) -> dict[str, float]:
            return {}

    states: list[TrainState] = []
    model, result = trained(
        replace(CFG, patience=1), NoValidation(), save_checkpoint=lambda s: states.append(copied(s))
    )
    assert (result.best_epoch, len(result.history)) == (4, 4)
    torch.testing.assert_close(model.state_dict(), states[-1].model, rtol=0, atol=0)


def test_the_loss_falls() -> None:
    _, result = trained(replace(CFG, epochs=20, patience=20), SquaredError())
    assert result.history[-1].metrics["loss"] < 0.05 < result.history[0].metrics["loss"]


@pytest.mark.parametrize("change", [{"lr": 0.2}, {"epochs": 9}, {"seed": 8}, {"batch_size": 16}, {"threads": 2}])
def test_a_checkpoint_of_another_configuration_is_refused(change: dict[str, Any]) -> None:
    states: list[TrainState] = []
    trained(CFG, SquaredError(), save_checkpoint=states.append)
    with pytest.raises(CheckpointMismatchError, match="delete it"):
        trained(replace(CFG, **change), SquaredError(), resume_from=states[0])


def test_a_checkpoint_of_another_world_size_is_refused(two_ranks: Path) -> None:
    state = from_tensors(load_file(two_ranks / "state"))
    with pytest.raises(CheckpointMismatchError):
        trained(CFG, SquaredError(), resume_from=state)


def test_seeds_differ_by_epoch_and_rank() -> None:
    seeds = {epoch_seed(seed, epoch, rank) for seed in range(3) for epoch in range(5) for rank in range(4)}
    assert len(seeds) == 60


class Diverging(SquaredError):
    """The validation loss is not a number."""

    def validate(self, model: nn.Module) -> dict[str, float]:
        return {"loss": float("nan")}


def test_a_diverged_training_raises_instead_of_returning_its_weights() -> None:
    with pytest.raises(TrainingDivergedError, match=r"epoch 1.*lower learning rate"):
        trained(CFG, Diverging())
