"""The model registry: weights as safetensors beside a JSON card, named by digest; a pointer names the live model."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jobs.errors import LakeError
from jobs.lake.files import FileStore
from jobs.lake.format import require_format

Card = dict[str, Any]
TRAINED_ON_INTERACTIONS: Card = {"trained_on": "interactions"}
"""Fields of the cards of recommenders. A deletion request removes the weights of such models."""


@dataclass(frozen=True)
class RegisteredModel:
    """A model's digest (of its weights), its card, and its weights as safetensors bytes."""

    digest: str
    card: Card
    weights: bytes


class ModelRegistry:
    """Models of a lake under `models/NAME/<digest>/`. Nothing in it is ever unpickled."""

    def __init__(self, store: FileStore) -> None:
        """`store`: the lake's root."""
        self._store = store

    def add(self, name: str, weights: bytes, card: Card) -> str:
        """Store a candidate without making it live, and return its digest. Earlier gate results stay in its card."""
        digest = hashlib.sha256(weights).hexdigest()[:16]
        folder = f"models/{name}/{digest}"
        known = self._store.read_json(f"{folder}/card.json") if self._store.exists(f"{folder}/card.json") else {}
        gate = {"gate": known["gate"]} if "gate" in known else {}
        self._store.write_bytes(f"{folder}/weights.safetensors", weights)
        self._store.write_json(f"{folder}/card.json", {**gate, **card, "name": name, "digest": digest})
        return digest

    def point(self, name: str, digest: str) -> None:
        """Make a stored model live by one atomic write: readers get either the old or the new one."""
        self._store.write_json(f"models/{name}/registered.json", {"digest": digest})

    def register(self, name: str, weights: bytes, card: Card) -> str:
        """Store a model, make it live, and return its digest."""
        digest = self.add(name, weights, card)
        self.point(name, digest)
        return digest

    def note(self, name: str, digest: str, verdict: Card) -> None:
        """Append the gate's result to a model's card, newest last."""
        card = self.card(name, digest) or {}
        self._store.write_json(f"models/{name}/{digest}/card.json", {**card, "gate": [*card.get("gate", []), verdict]})

    def digest(self, name: str) -> str | None:
        """Return the digest of the live model, or None if none is live yet."""
        pointer = f"models/{name}/registered.json"
        return str(self._store.read_json(pointer)["digest"]) if self._store.exists(pointer) else None

    def card(self, name: str, digest: str | None = None) -> Card | None:
        """Return the card of a model, by default of the live one; None if there is none."""
        digest = digest or self.digest(name)
        path = f"models/{name}/{digest}/card.json"
        return self._store.read_json(path) if digest and self._store.exists(path) else None

    def cards(self) -> Iterator[tuple[Card, bool]]:
        """Yield every card, and whether its model is the live one of its name."""
        for name in sorted(self._store.folders("models")):
            live = self.digest(name)
            for digest in sorted(self._store.folders(f"models/{name}")):
                if (card := self.card(name, digest)) is not None:
                    yield card, digest == live

    def load(self, name: str) -> RegisteredModel | None:
        """Return the live model or None. Raises LakeError if its weights are missing or do not match the digest."""
        digest, card = self.digest(name), self.card(name)
        if digest is None or card is None:
            return None
        if not self._store.exists(f"models/{name}/{digest}/weights.safetensors"):
            raise LakeError(f"Model {name}/{digest} has no weights ({card.get('weights', 'the file is missing')}); train it again.")
        weights = self._store.read_bytes(f"models/{name}/{digest}/weights.safetensors")
        if hashlib.sha256(weights).hexdigest()[:16] != digest:
            raise LakeError(f"Model {name}/{digest}: the weights have another digest; delete the folder and train again.")
        return RegisteredModel(digest, card, weights)


def registry_of(lake_root: str, sources_name: str) -> ModelRegistry:
    """Return the model registry of one sources file's lake."""
    store = FileStore(f"{lake_root}/{sources_name}")
    require_format(store)
    return ModelRegistry(store)
