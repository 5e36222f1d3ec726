"""Pages of models: figures of the card, for every kind of model, without external resources."""

from pathlib import Path
from typing import Any

from jobs.lake.model_registry import registry_of
from jobs.report.cards import folder_of, render, write_pages
from jobs.settings import Settings

FIGURES = {
    name: {"mean": 0.25, "low": 0.2, "high": 0.3}
    for name in ("NDCG@20", "R_liang@20", "HR@10", "MRR@20", "MAP@20", "NDCG@100")
}
RANKER: dict[str, Any] = {
    "name": "ranking", "digest": "abc", "title": "<EASE>", "method": "ease", "settings": {"regularization": 100.0},
    "synthetic": True, "protocol": "learned from a, asked for b", "train": {"users": 12_000, "tracks": 5, "ratings": 9},
    "tasks": {"discovery": {
        "queries": 9, "users": 8, "metrics": FIGURES, "beyond_accuracy": {"coverage": 0.4567, "diversity": None},
        "baselines": {"popularity": {"mean": 0.1, "low": 0.05, "high": 0.15}},
    }},
}  # fmt: skip
REFUSAL = {
    "at": "2026-11-14T04:00:00+00:00", "baseline": "popularity", "passed": False, "protocol": "asked once more",
    "checks": [{"name": "NDCG@20", "passed": False, "message": "0.1 against 0.2; must not be worse"}],
}  # fmt: skip


def test_recommender_page_has_figures_and_failed_checks() -> None:
    page = render({**RANKER, "gate": [REFUSAL]}, live=False)
    for text in (
        "&lt;EASE&gt;",
        "a candidate",
        "synthetic sample",
        "0.2500",
        "0.2000 to 0.3000",
        "+0.1000",
        "0.4567",
        "regularization 100",
    ):
        assert text in page, text
    assert "0.1 against 0.2; must not be worse" in page
    assert "users 12,000" in page
    assert "None" not in page
    assert "http" not in page


def test_classifier_page_needs_no_ranking_figures() -> None:
    card = {
        "name": "genre_cnn-pmrs7-pmrs-4s",
        "digest": "def",
        "method": "PMRS genre CNN",
        "val_accuracy": 0.7,
        "val_tracks": list("abcdefghijklmnop"),
    }
    page = render(card, live=True)
    for text in ("PMRS genre CNN", ">live<", "0.7", "a, b, c, d, e, f, g, h, i, j, k, l and 4 more"):
        assert text in page, text
    assert "Promotion" not in page


def test_write_pages_deletes_pages_of_deleted_models(settings: Settings, tmp_path: Path) -> None:
    registry = registry_of(str(tmp_path), "small")
    first = registry.register("ranking", b"one", RANKER)
    second = registry.add("ranking", b"two", RANKER)
    folder = folder_of(settings, "small")
    folder.mkdir(parents=True)
    (folder / "ranking-gone.html").write_text("")
    write_pages(settings, "small", registry)
    assert {path.name for path in folder.iterdir()} == {f"ranking-{first}.html", f"ranking-{second}.html"}
    assert ">live<" in (folder / f"ranking-{first}.html").read_text()
    assert "a candidate" in (folder / f"ranking-{second}.html").read_text()
