"""Registry of the genre networks by name, and their serialization."""

from dataclasses import asdict, dataclass
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from models.clip_config import ClipModelConfig, ClipTrainConfig
from models.clip_network import ClipNetwork, ClipNetworkConfig
from models.data.clips import AugmentConfig
from models.genre_cnn import GenreCNN, GenreCNNConfig
from models.short_chunk import ShortChunkCNN, ShortChunkConfig


@dataclass(frozen=True)
class NetworkKind:
    """A network that can be named in settings."""

    config: type[ClipNetworkConfig]
    network: type[ClipNetwork]
    """Built from an instance of `config`."""
    training: ClipTrainConfig
    """Defaults of its training."""


NETWORKS = {
    "genre_cnn": NetworkKind(GenreCNNConfig, GenreCNN, ClipTrainConfig()),
    # batch normalization tolerates a higher peak of the learning rate
    "short_chunk": NetworkKind(ShortChunkConfig, ShortChunkCNN, ClipTrainConfig(lr=2e-3)),
}
"""Networks by name. `defaults.NETWORK_NAMES` has the same names."""


def build(cfg: ClipNetworkConfig) -> ClipNetwork:
    """Return the network of a configuration with initial weights."""
    return NETWORKS[network_name(cfg)].network(cfg)  # type: ignore[call-arg]


def make_config(name: str, **values: Any) -> ClipModelConfig:
    """Return settings of the named network and its training, with these over the defaults.

    Raises ValueError for an unknown name, with the existing ones, and TypeError for an unknown setting.
    """
    if name not in NETWORKS:
        raise ValueError(f"no genre network is called {name!r}: use one of {', '.join(NETWORKS)}")
    kind = NETWORKS[name]
    return ClipModelConfig(kind.config(), kind.training).replace(**values)


def network_name(cfg: ClipNetworkConfig) -> str:
    """Return the name of the network that a configuration is for."""
    return next(name for name, kind in NETWORKS.items() if type(cfg) is kind.config)


def to_card(cfg: ClipModelConfig) -> dict[str, Any]:
    """Return the settings as JSON values, with the network's name as `network`; `from_card` reads them back.

    All settings are on one level: cards were written before the network's and the training's settings were separate.
    """
    return {"network": network_name(cfg.network), **asdict(cfg.training), **asdict(cfg.network)}


def from_card(card: dict[str, Any]) -> ClipModelConfig:
    """Return the settings of a card (JSON turned its tuples into lists)."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in card.items()}
    values["augment"] = AugmentConfig(**card["augment"])
    return make_config(values.pop("network"), **values)


def to_state(model: ClipNetwork) -> dict[str, Tensor]:
    """Return all weights and buffers by name, on the CPU, as safetensors saves them."""
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}


def from_state(cfg: ClipNetworkConfig, state: dict[str, Tensor]) -> ClipNetwork:
    """Return the model in eval mode. Raises RuntimeError (torch) for missing tensors or other shapes."""
    model = build(cfg)
    model.load_state_dict(state)
    return model.eval()


def to_bytes(model: ClipNetwork) -> bytes:
    """Return the model as safetensors bytes."""
    return save(to_state(model))


def from_bytes(cfg: ClipNetworkConfig, blob: bytes) -> ClipNetwork:
    """Return the model that `to_bytes` saved."""
    return from_state(cfg, load(blob))
