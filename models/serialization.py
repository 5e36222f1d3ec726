"""Serialization of recommenders as safetensors: arrays, track ids, and the method with its settings."""

import json
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from models.protocol import Recommender
from models.types import Tensors

TRACKS = "tracks"
"""Name of the array of track ids: UTF-8, one per line, in catalogue order."""
SETTINGS = "settings"


def to_bytes(model: Recommender, tracks: tuple[str, ...], method: str, settings: dict[str, Any]) -> bytes:
    """Return the model as safetensors bytes. Equal models give equal bytes.

    `settings`: the method's hyper-parameters, JSON values only.
    """
    ids = np.frombuffer("\n".join(tracks).encode(), dtype=np.uint8)
    arrays = {name: np.ascontiguousarray(array) for name, array in model.tensors().items()}
    metadata = json.dumps({"method": method, SETTINGS: settings}, sort_keys=True)
    return save({**arrays, TRACKS: ids}, {"pmrs": metadata})


def from_bytes(blob: bytes) -> tuple[Tensors, tuple[str, ...]]:
    """Return the arrays by name, and the track ids, of bytes that `to_bytes` wrote."""
    arrays = load(blob)
    ids = arrays.pop(TRACKS).tobytes().decode()
    return arrays, tuple(ids.split("\n")) if ids else ()
