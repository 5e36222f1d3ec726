"""Settings of the training of networks on log-mel clips, and of a network with its training."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

from models.clip_network import ClipNetworkConfig
from models.defaults import CLIP_BATCH_SIZE, MAX_CLIPS, VAL_SHARE
from models.training.loop import TrainConfig


@dataclass(frozen=True)
class ClipTrainConfig(TrainConfig):
    """Hyper-parameters of the training of a network."""

    max_clips: int = MAX_CLIPS  # clips shown over all epochs
    batch_size: int = CLIP_BATCH_SIZE
    lr: float = 5e-4  # peak of a one-cycle schedule
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    val_share: float = VAL_SHARE  # of each genre's tracks; 0 trains on everything and keeps the last epoch


@dataclass(frozen=True)
class ClipModelConfig:
    """A network and its training. The model card has the settings of both side by side."""

    network: ClipNetworkConfig
    training: ClipTrainConfig

    def replace(self, **values: Any) -> Self:
        """Return a copy with some settings changed. No setting of a network has the name of one of the training.

        Raises TypeError for a name that neither has.
        """
        names = {item.name for item in fields(self.training)}
        training = {name: value for name, value in values.items() if name in names}
        network = {name: value for name, value in values.items() if name not in names}
        return replace(self, network=replace(self.network, **network), training=replace(self.training, **training))
