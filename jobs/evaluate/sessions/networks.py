"""Session networks in the comparison: what is trained, and how."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from models.data.sessions import Sessions
from models.protocol import SessionModel
from models.sequence_losses import LossConfig
from models.sequence_network import SequenceNetworkConfig
from models.sequence_priors import CombinedPriors, SessionRepeats
from models.sequence_training import OPTIMIZATION, SequenceTrainConfig, fit_network
from models.session_networks import SESSION_NETWORKS, build
from models.training.loop import TrainConfig


@dataclass(frozen=True)
class NetworkSettings:
    """A network of `models/session_networks.py` with its training."""

    network: str
    settings: dict[str, Any] = field(default_factory=dict)
    """Fields of its configuration that differ from the defaults."""
    repeats: bool = False
    """Add learned weights to the logits of the session's own tracks, by how long ago they were played."""
    optimization: TrainConfig = OPTIMIZATION
    loss: LossConfig = field(default_factory=LossConfig)

    def config(self, n_items: int) -> SequenceNetworkConfig:
        """Return the configuration for a number of items."""
        make: Callable[..., SequenceNetworkConfig] = SESSION_NETWORKS[self.network].config
        n_features = SessionRepeats().n_features if self.repeats else 0
        return make(n_items, n_prior_features=n_features, **self.settings)


def _repeats(train: Sessions) -> CombinedPriors:
    del train
    return CombinedPriors([SessionRepeats()])


def fit_seeds(sessions: Sessions, settings: NetworkSettings, seeds: Sequence[int]) -> list[SessionModel]:
    """Train a network for each seed on all sessions."""
    config, prior = settings.config(sessions.n_items), _repeats if settings.repeats else None
    trainings = [SequenceTrainConfig(replace(settings.optimization, seed=seed), settings.loss) for seed in seeds]
    return [fit_network(lambda: build(config), sessions, training, prior=prior).model for training in trainings]
