"""Registered models that name a user are dropped, so that the next night trains anew. The genre CNN, which is all that is
registered today, learns from audio and labels and names nobody; user factors are a table of the lake.
"""

import json
from collections.abc import Iterator
from typing import Any

from jobs.forget.amend import Change
from jobs.forget.wishes import Wishes
from jobs.lake.files import Store

SMALL = 8
"""A safetensors file begins with the length of its JSON header, 8 bytes, little endian."""


def clean_models(store: Store, wishes: Wishes) -> list[Change]:
    """Drop each model whose card or tensor names hold a forgotten user's id as a text of its own; pointer first."""
    changes = []
    for name in store.folders("models"):
        for digest in store.folders(f"models/{name}"):
            if any(wishes.of(text) for text in _texts_of_model(store, f"models/{name}/{digest}")):
                pointer = f"models/{name}/registered.json"
                if store.exists(pointer) and store.read_json(pointer)["digest"] == digest:
                    store.remove(pointer)
                store.remove(f"models/{name}/{digest}")
                changes.append(Change(f"models/{name}", "", 1))
    return changes


def _texts_of_model(store: Store, folder: str) -> Iterator[str]:
    if store.exists(f"{folder}/card.json"):
        yield from texts(store.read_json(f"{folder}/card.json"))
    if store.exists(f"{folder}/weights.safetensors"):
        weights = store.read_bytes(f"{folder}/weights.safetensors")
        length = int.from_bytes(weights[:SMALL], "little")
        yield from texts(json.loads(weights[SMALL : SMALL + length] or b"{}"))


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
