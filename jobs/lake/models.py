"""The model registry: weights as safetensors beside a JSON card, named by digest; a pointer says which one is registered."""

import hashlib
from dataclasses import dataclass
from typing import Any

from jobs.lake.files import Store


@dataclass(frozen=True)
class RegisteredModel:
    """A model's digest (of its weights), its card, and its weights as safetensors bytes."""

    digest: str
    card: dict[str, Any]
    weights: bytes


class ModelRegistry:
    """Models of a lake under `models/NAME/<digest>/`. Nothing in it is ever unpickled."""

    def __init__(self, store: Store) -> None:
        """`store`: the lake's root."""
        self._store = store

    def register(self, name: str, weights: bytes, card: dict[str, Any]) -> str:
        """Store a model, then point to it: a reader sees the old one or the new one, whole. Returns its digest."""
        digest = hashlib.sha256(weights).hexdigest()[:16]
        self._store.write_bytes(f"models/{name}/{digest}/weights.safetensors", weights)
        self._store.write_json(f"models/{name}/{digest}/card.json", {**card, "name": name, "digest": digest})
        self._store.write_json(f"models/{name}/registered.json", {"digest": digest})
        return digest

    def digest(self, name: str) -> str | None:
        """Digest of the registered model, or None where none is registered yet."""
        pointer = f"models/{name}/registered.json"
        return str(self._store.read_json(pointer)["digest"]) if self._store.exists(pointer) else None

    def load(self, name: str) -> RegisteredModel | None:
        """The registered model, or None. Raises ValueError if its weights are not what the digest says."""
        digest = self.digest(name)
        if digest is None:
            return None
        weights = self._store.read_bytes(f"models/{name}/{digest}/weights.safetensors")
        if hashlib.sha256(weights).hexdigest()[:16] != digest:
            raise ValueError(f"Model {name}/{digest}: the weights do not have this digest; delete the folder and retrain.")
        return RegisteredModel(digest, self._store.read_json(f"models/{name}/{digest}/card.json"), weights)
