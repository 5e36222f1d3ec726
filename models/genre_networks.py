"""The genre networks there are, by name, and their way to a file and back."""

from dataclasses import asdict
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from models.clip_network import ClipNetwork, TrainingConfig
from models.clips import Variation
from models.genre_cnn import GenreCNN, GenreCNNConfig
from models.short_chunk import ShortChunkCNN, ShortChunkConfig

NETWORKS: dict[str, tuple[type[TrainingConfig], type[ClipNetwork]]] = {
    "genre_cnn": (GenreCNNConfig, GenreCNN),
    "short_chunk": (ShortChunkConfig, ShortChunkCNN),
}
"""Name: its settings, and the network that they build."""


def build(cfg: TrainingConfig) -> ClipNetwork:
    """The network of these settings, as it starts."""
    return NETWORKS[name_of(cfg)][1](cfg)  # type: ignore[call-arg]


def settings_of(name: str, **given: Any) -> TrainingConfig:
    """The settings of the network of this name. ValueError names those there are."""
    if name not in NETWORKS:
        raise ValueError(f"no genre network is called {name!r}: use one of {', '.join(NETWORKS)}")
    return NETWORKS[name][0](**given)


def name_of(cfg: TrainingConfig) -> str:
    """The name of the network that these settings are for."""
    return next(name for name, (kind, _) in NETWORKS.items() if type(cfg) is kind)


def card(cfg: TrainingConfig) -> dict[str, Any]:
    """The configuration as plain values, and the network's name under `network`; `from_card` reads it back."""
    return {"network": name_of(cfg), **asdict(cfg)}


def from_card(values: dict[str, Any]) -> TrainingConfig:
    """A configuration from `card`'s values (JSON turns tuples into lists)."""
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    plain["vary"] = Variation(**values["vary"])
    return settings_of(plain.pop("network", "genre_cnn"), **plain)


def to_state(model: ClipNetwork) -> dict[str, Tensor]:
    """Weights and standardisation by name, on the CPU: what safetensors saves."""
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}


def from_state(cfg: TrainingConfig, state: dict[str, Tensor]) -> ClipNetwork:
    """The model in eval mode. RuntimeError (torch) names tensors that are missing or of another shape."""
    model = build(cfg)
    # a network from before they were calibrated has neither
    model.load_state_dict({"temperature": model.temperature, "weighed": model.weighed, **state})
    return model.eval()


def to_bytes(model: ClipNetwork) -> bytes:
    """The model as the bytes of a safetensors file."""
    return save(to_state(model))


def from_bytes(cfg: TrainingConfig, blob: bytes) -> ClipNetwork:
    """The model from the bytes of a safetensors file."""
    return from_state(cfg, load(blob))
