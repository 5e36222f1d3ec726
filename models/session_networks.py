"""Registry of the session networks by name, and their serialization as safetensors."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from safetensors.torch import load, save

from models.data.sequences import PriorFeatures, SequenceConfig
from models.gru4rec import GRU4Rec, GRU4RecConfig
from models.narm import NARM, NARMConfig
from models.sasrec import SASRec, SASRecConfig
from models.sequence_network import SequenceNetwork, SequenceNetworkConfig, SessionNetworkModel


@dataclass(frozen=True)
class SessionNetworkKind:
    """A network that can be named in settings."""

    config: type[SequenceNetworkConfig]
    network: type[SequenceNetwork]
    """Built from an instance of `config`."""


SESSION_NETWORKS = {
    "gru4rec": SessionNetworkKind(GRU4RecConfig, GRU4Rec),
    "narm": SessionNetworkKind(NARMConfig, NARM),
    "sasrec": SessionNetworkKind(SASRecConfig, SASRec),
}


def build(cfg: SequenceNetworkConfig) -> SequenceNetwork:
    """Return the network of a configuration with initial weights."""
    return SESSION_NETWORKS[network_name(cfg)].network(cfg)


def network_name(cfg: SequenceNetworkConfig) -> str:
    """Return the name of the network that a configuration is for."""
    return next(name for name, kind in SESSION_NETWORKS.items() if type(cfg) is kind.config)


def to_card(cfg: SequenceNetworkConfig) -> dict[str, Any]:
    """Return the configuration as JSON values, with the network's name as `network`."""
    return {"network": network_name(cfg), **asdict(cfg)}


def from_card(card: dict[str, Any]) -> SequenceNetworkConfig:
    """Return the configuration of a card. Raises KeyError for an unknown network, TypeError for an unknown setting."""
    values = {**card, "inputs": SequenceConfig(**card["inputs"])}
    return SESSION_NETWORKS[values.pop("network")].config(**values)


def to_bytes(model: SessionNetworkModel) -> bytes:
    """Return weights and configuration as safetensors bytes. The fitted data of prior features are not part of them."""
    network = model.network
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    return save(state, {"pmrs": json.dumps(to_card(network.cfg), sort_keys=True)})


def from_bytes(blob: bytes, prior: PriorFeatures | None = None) -> SessionNetworkModel:
    """Return the model that `to_bytes` saved, in eval mode. Raises RuntimeError (torch) for other tensors."""
    # a safetensors file begins with the length of its JSON header
    header = json.loads(blob[8 : 8 + int.from_bytes(blob[:8], "little")])
    network = build(from_card(json.loads(header["__metadata__"]["pmrs"])))
    network.load_state_dict(load(blob))
    return SessionNetworkModel(network.eval(), prior)
