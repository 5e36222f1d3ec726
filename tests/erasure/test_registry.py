"""The model registry and checkpoints after a deletion request."""

from pathlib import Path

import pytest

from jobs.erasure import lake_scan
from jobs.erasure.registry import clean_checkpoints, clean_models
from jobs.errors import LakeError
from jobs.lake.deletion_requests import DeletionRequest, DeletionRequests, sha256
from jobs.lake.files import FileStore
from jobs.lake.model_registry import registry_of


@pytest.mark.parametrize("fields", [{"trained_on": "interactions"}, {"learned_from": "listening"}], ids=["today", "former"])
def test_weights_fitted_to_plays_are_deleted_and_the_card_stays(tmp_path: Path, fields: dict[str, str]) -> None:
    registry, requests = registry_of(str(tmp_path), "small"), DeletionRequests({sha256("anna"): DeletionRequest(True)})
    store = FileStore(f"{tmp_path}/small")
    weights = (0).to_bytes(8, "little")
    ranker = registry.register("ranking", weights, {"method": "ease", **fields, "settings": {"a": 1}})
    audio_model = registry.register("cnn", weights, {"genres": ["Rock"]})
    changes = clean_models(store, requests)
    assert [(c.what, c.removed, c.changed) for c in changes] == [("models/ranking", 0, 1)]
    card = registry.card("ranking")
    assert card is not None
    assert (card["digest"], card["settings"]) == (ranker, {"a": 1})
    assert "deletion request" in card["weights"]
    with pytest.raises(LakeError, match="has no weights"):
        registry.load("ranking")
    model = registry.load("cnn")
    assert model is not None
    assert model.digest == audio_model
    assert clean_models(store, requests) == [], "a second time there is nothing left to do"


def test_checkpoints_fitted_to_plays_are_deleted_with_half_written_ones(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    for name in ("0a.safetensors", ".1b.tmp"):
        store.write_bytes(f"checkpoints/collaborative/{name}", b"factors of anna")
        store.write_bytes(f"checkpoints/genre_train/{name}", b"of audio and labels")
    assert not lake_scan.unknown(store.walk())
    assert [(c.what, c.removed) for c in clean_checkpoints(store)] == [("checkpoints/collaborative", 2)]
    assert not store.exists("checkpoints/collaborative")
    assert len(store.walk("checkpoints/genre_train")) == 2, "this checkpoint contains no user data"
    assert clean_checkpoints(store) == []
