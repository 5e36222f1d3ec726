"""Registry of the genre networks by name, and their serialization."""

from dataclasses import asdict
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from models.clip_network import ClipConfig, ClipNetwork
from models.data.clips import AugmentConfig
from models.genre_cnn import GenreCNN, GenreCNNConfig
from models.short_chunk import ShortChunkCNN, ShortChunkConfig

NETWORKS: dict[str, tuple[type[ClipConfig], type[ClipNetwork]]] = {
    "genre_cnn": (GenreCNNConfig, GenreCNN),
    "short_chunk": (ShortChunkConfig, ShortChunkCNN),
}
"""Name: configuration class, and the network that it builds. `defaults.NETWORK_NAMES` has the same names."""


def build(cfg: ClipConfig) -> ClipNetwork:
    """Return the network of a configuration with initial weights."""
    return NETWORKS[network_name(cfg)][1](cfg)  # type: ignore[call-arg]


def make_config(name: str, **values: Any) -> ClipConfig:
    """Return a configuration of the named network. Raises ValueError with the existing names."""
    if name not in NETWORKS:
        raise ValueError(f"no genre network is called {name!r}: use one of {', '.join(NETWORKS)}")
    return NETWORKS[name][0](**values)


def network_name(cfg: ClipConfig) -> str:
    """Return the name of the network that a configuration is for."""
    return next(name for name, (config_class, _) in NETWORKS.items() if type(cfg) is config_class)


def to_card(cfg: ClipConfig) -> dict[str, Any]:
    """Return the configuration as JSON values, with the network's name as `network`; `from_card` reads it back."""
    return {"network": network_name(cfg), **asdict(cfg)}


def from_card(card: dict[str, Any]) -> ClipConfig:
    """Return the configuration of a card (JSON turned its tuples into lists)."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in card.items()}
    values["augment"] = AugmentConfig(**card["augment"])
    return make_config(values.pop("network"), **values)


def to_state(model: ClipNetwork) -> dict[str, Tensor]:
    """Return all weights and buffers by name, on the CPU, as safetensors saves them."""
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}


def from_state(cfg: ClipConfig, state: dict[str, Tensor]) -> ClipNetwork:
    """Return the model in eval mode. Raises RuntimeError (torch) for missing tensors or other shapes."""
    model = build(cfg)
    model.load_state_dict(state)
    return model.eval()


def to_bytes(model: ClipNetwork) -> bytes:
    """Return the model as safetensors bytes."""
    return save(to_state(model))


def from_bytes(cfg: ClipConfig, blob: bytes) -> ClipNetwork:
    """Return the model that `to_bytes` saved."""
    return from_state(cfg, load(blob))
