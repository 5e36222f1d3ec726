"""Train and score the session networks on the 30Music sample: `python -m bench.session_networks [NAME ...]`.

Data, split and metrics are those of `bench.session_methods`: training on the sessions that started before the last 14
days, a query at every position of 6,000 sessions of those days, the session alone, ties against the model. `+repeats`
adds features of the session's own plays to the network's logits, `+rules` those of sequential rules too.

`--validate` moves both windows 14 days back. Epochs, learning rate and dropout of gru4rec, gru4rec+repeats and sasrec
were chosen that way; the others have the same ones, untuned. The test days were scored with the chosen settings alone.
`--threads 1` if other processes use the cores.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from bench.session_methods import hits, load_split, load_task
from models.data.sessions import Sessions
from models.gru4rec import CROSS_ENTROPY, GRU4RecConfig, improved_gru4rec
from models.narm import NARMConfig
from models.sasrec import SASRecConfig
from models.sequence_losses import LossConfig
from models.sequence_network import SequenceNetworkConfig, SessionNetworkModel
from models.sequence_priors import CombinedPriors, SessionRepeats, Transitions
from models.sequence_training import OPTIMIZATION, PriorFactory, SequenceTrainConfig, fit_network
from models.session_networks import build
from models.training.checkpoint import EpochReport
from models.training.loop import TrainConfig


@dataclass(frozen=True)
class NetworkSpec:
    """A network with its training."""

    config: Callable[[int], SequenceNetworkConfig]
    """Returns the configuration for a number of items."""
    optimization: TrainConfig
    loss: LossConfig = field(default_factory=LossConfig)
    prior: PriorFactory | None = None


def repeats(train: Sessions) -> CombinedPriors:
    """Return the features of the session's own plays."""
    del train
    return CombinedPriors([SessionRepeats()])


def repeats_and_rules(train: Sessions) -> CombinedPriors:
    """Return the features of the session's own plays and of sequential rules."""
    return CombinedPriors([SessionRepeats(), Transitions.fit(train)])


def gru4rec(n_items: int, n_prior_features: int = 0) -> GRU4RecConfig:
    """Return the chosen size and dropout of GRU4Rec."""
    return GRU4RecConfig(
        n_items, 100, embedding_dropout=0.2, hidden_dropout=0.3, n_prior_features=n_prior_features
    )


def sasrec(n_items: int, n_prior_features: int = 0) -> SASRecConfig:
    """Return the chosen size and dropout of SASRec."""
    return SASRecConfig(
        n_items, block="ligr", positions="relative", dropout=0.3, n_prior_features=n_prior_features
    )


N_REPEATS, N_RULES = SessionRepeats().n_features, Transitions.n_features
TRAINING = replace(OPTIMIZATION, epochs=5, lr=4e-3, batch_size=64)
NETWORKS: dict[str, NetworkSpec] = {
    "gru4rec": NetworkSpec(gru4rec, TRAINING),
    "gru4rec+repeats": NetworkSpec(lambda n: gru4rec(n, N_REPEATS), TRAINING, prior=repeats),
    "gru4rec authors' loss": NetworkSpec(gru4rec, TRAINING, CROSS_ENTROPY),
    "improved gru4rec": NetworkSpec(lambda n: improved_gru4rec(n, dim=100), TRAINING),
    "narm": NetworkSpec(lambda n: NARMConfig(n, 100), TRAINING),
    "sasrec": NetworkSpec(sasrec, TRAINING),
    "sasrec+rules": NetworkSpec(lambda n: sasrec(n, N_REPEATS + N_RULES), TRAINING, prior=repeats_and_rules),
}


class Clock:
    """Wall and CPU seconds since the last call."""

    def __init__(self) -> None:
        self._last = time.perf_counter(), time.process_time()

    def lap(self) -> tuple[float, float]:
        """Return (wall, CPU) seconds, and start again."""
        now = time.perf_counter(), time.process_time()
        wall, cpu = (b - a for a, b in zip(self._last, now, strict=True))
        self._last = now
        return wall, cpu


def train(name: str, train_sessions: Sessions, threads: int, seed: int) -> tuple[SessionNetworkModel, float, float]:
    """Train a network. Returns it with its training positions per second and per CPU second, medians over epochs."""
    spec, clock, laps = NETWORKS[name], Clock(), list[tuple[float, float]]()
    config = spec.config(train_sessions.n_items)

    def on_epoch(report: EpochReport) -> None:
        laps.append(clock.lap())
        print(f"  {name} epoch {report.epoch}/{report.epochs}: loss {report.train_loss:.4f}, {laps[-1][0]:.0f} s", flush=True)

    train_config = SequenceTrainConfig(replace(spec.optimization, threads=threads, seed=seed), spec.loss)
    model = fit_network(lambda: build(config), train_sessions, train_config, on_epoch, prior=spec.prior).model
    wall, cpu = np.median(laps[1:] or laps, axis=0)  # the first epoch includes the preparation of the data
    n_positions = int((train_sessions.lengths - 1).sum())
    return model, n_positions / wall, n_positions / cpu


def main(names: Iterable[str], validate: bool, threads: int, seed: int) -> None:
    """Print the figures of each network."""
    split = load_split(validate)
    task = load_task(split, with_user=False)
    print(f"{split.train.items.size:,} training plays, {split.train.n_items:,} items, {len(task.positions):,} test positions")
    for name in names or NETWORKS:
        model, per_second, per_cpu_second = train(name, split.train, threads, seed)
        hit_rate, reciprocal_rank = hits(model, split, task)
        print(
            f"{name:<20} HR@20 {hit_rate:.4f}  MRR@20 {reciprocal_rank:.4f}  training positions/s "
            f"{per_second:,.0f}, per CPU second {per_cpu_second:,.0f}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[*NETWORKS, []], metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    main(arguments.names, arguments.validate, arguments.threads, arguments.seed)
