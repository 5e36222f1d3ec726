"""A fitted recommender as the bytes of a safetensors file: its arrays, the ids of its tracks, and what it is."""

import json
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from models.top_n import Recommender, Tensors

TRACKS = "tracks"
"""The array of track ids: UTF-8, one a line, in the order of the catalogue."""
SETTINGS = "settings"


def to_bytes(model: Recommender, tracks: tuple[str, ...], method: str, settings: dict[str, Any]) -> bytes:
    """Equal models give equal bytes. `settings`: what the method was fitted with, as JSON holds it."""
    ids = np.frombuffer("\n".join(tracks).encode(), dtype=np.uint8)
    arrays = {name: np.ascontiguousarray(array) for name, array in model.tensors().items()}
    told = json.dumps({"method": method, SETTINGS: settings}, sort_keys=True)
    return save({**arrays, TRACKS: ids}, {"pmrs": told})


def from_bytes(stored: bytes) -> tuple[Tensors, tuple[str, ...]]:
    """The arrays by name, and the tracks: what a recommender is made of again."""
    arrays = load(stored)
    ids = arrays.pop(TRACKS).tobytes().decode()
    return arrays, tuple(ids.split("\n")) if ids else ()
