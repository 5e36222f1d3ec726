"""Apply deletion requests to registered models and checkpoints.

A model that names an erased user is deleted. A recommender loses its weights: they were trained on users' interactions,
and no single user's share can be removed from them. Its card, which holds means over users, stays; with it stay the
hyper-parameters of the ranker. Checkpoints of fits are deleted. Genre models and their unfinished training
stay: they use audio and labels only. User factors are a table of the lake.
"""

import json
from collections.abc import Iterator
from typing import Any

from jobs.erasure.amend import Change
from jobs.lake.checkpoints import CLIPS, FOLDER, TRAINING
from jobs.lake.deletion_requests import DeletionRequests
from jobs.lake.files import FileStore
from jobs.lake.model_registry import TRAINED_ON_INTERACTIONS, Card

REMOVED = "removed: trained on interactions that a deletion request covers"
"""Value of a card's `weights` if the weights were deleted."""
FORMER_FIELDS: Card = {"learned_from": "listening"}
"""What cards of recommenders had before `TRAINED_ON_INTERACTIONS`."""
SMALL = 8
"""A safetensors file begins with the length of its JSON header, 8 bytes, little endian."""


def clean_models(store: FileStore, requests: DeletionRequests) -> list[Change]:
    """Delete models that hold the id of a user with a deletion request, and the weights of recommenders.

    Ids are searched as complete texts of the card and of the tensor names. The pointer of a live model is deleted
    first.
    """
    changes = []
    for name in store.folders("models"):
        for digest in store.folders(f"models/{name}"):
            if any(requests.of(text) for text in _texts_of_model(store, f"models/{name}/{digest}")):
                pointer = f"models/{name}/registered.json"
                if store.exists(pointer) and store.read_json(pointer)["digest"] == digest:
                    store.remove(pointer)
                store.remove(f"models/{name}/{digest}")
                changes.append(Change(f"models/{name}", "", 1))
            elif _without_weights(store, f"models/{name}/{digest}"):
                changes.append(Change(f"models/{name}", "", 0, 1))
    return changes


def clean_checkpoints(store: FileStore) -> list[Change]:
    """Delete all checkpoints of unfinished fits, and the fingerprints of the candidates' inputs.

    Checkpoints hold factors by number, and it is unknown which number is which user. A fingerprint hashes one user's
    tracks, which trials could reveal. Nothing is lost: after a new deletion request the night scores all users again.
    """
    changes = []
    fits = [f"{FOLDER}/{name}" for name in store.folders(FOLDER) if name not in {TRAINING, CLIPS}]
    for folder in (*fits, "candidate_fingerprints"):
        names = [file.name for file in store.walk(folder)]
        # manifests first: a kill in between leaves no manifest that names deleted rows
        for name in (name for name in names if name.endswith("/_manifest.json")):
            store.remove(name)
        store.remove(folder)
        changes += [Change(folder, "", len(names))] if names else []
    return changes


def _without_weights(store: FileStore, folder: str) -> bool:
    """Delete the weights of a model that was trained on interactions, and return whether there were any."""
    weights, card = f"{folder}/weights.safetensors", f"{folder}/card.json"
    content = store.read_json(card) if store.exists(card) else {}
    of_interactions = any(fields.items() <= content.items() for fields in (TRAINED_ON_INTERACTIONS, FORMER_FIELDS))
    if not of_interactions or not store.exists(weights):
        return False
    store.write_json(card, {**content, "weights": REMOVED})
    store.remove(weights)
    return True


def _texts_of_model(store: FileStore, folder: str) -> Iterator[str]:
    if store.exists(f"{folder}/card.json"):
        yield from texts(store.read_json(f"{folder}/card.json"))
    if store.exists(f"{folder}/weights.safetensors"):
        weights = store.read_bytes(f"{folder}/weights.safetensors")
        length = int.from_bytes(weights[:SMALL], "little")
        yield from texts(json.loads(weights[SMALL : SMALL + length] or b"{}"))


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
