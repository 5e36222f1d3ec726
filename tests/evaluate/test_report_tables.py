import io

import pytest
from rich.console import Console

from jobs.evaluate.report_tables import ranking_page

MEASURES = ("NDCG@20", "R_liang@20", "HR@10", "MRR@20", "MAP@20")


def result(model: str, value: float) -> dict[str, object]:
    return {
        "model": model, "title": model, "task": "discovery", "seeds": (), "queries": 9, "users": 9, "baselines": {},
        "published_results": [],
        "metrics": {m: {"mean": value, "low": value, "high": value} for m in MEASURES}, "fit_seconds": 1.0, "list_seconds": 0.5,
        "beyond_accuracy": {"coverage": 0.5, "popularity_lift": None},
    }  # fmt: skip


REPORT = {
    "sources": "small", "date": "2026-11-14", "synthetic": False, "protocol": "split", "tasks": {"discovery": "new tracks"},
    "train": {"users": 9, "tracks": 5, "ratings": 20}, "catalogue": 6, "left_out": {"ease": "too large"},
    "results": [result("popularity", 0.25), result("item-kNN", 0.5)],
}  # fmt: skip


def test_full_page_has_every_metric_with_its_interval() -> None:
    page = io.StringIO()
    ranking_page(REPORT, True).print(Console(file=page, width=110))
    (line,) = [line for line in page.getvalue().splitlines() if "MRR@20" in line and "(" in line]
    assert [cell.strip() for cell in line.strip("│┃").split("│")] == [
        "MRR@20", "0.5000 (0.5000-0.5000)", "0.2500 (0.2500-0.2500)",
    ]  # fmt: skip
    assert "| MAP@20 | 0.5000 (0.5000-0.5000) | 0.2500 (0.2500-0.2500) |" in ranking_page(REPORT, True).markdown()
    assert "| MAP@20 | 0.5" not in ranking_page(REPORT).markdown()


def test_baseline_has_a_column_with_differences_and_intervals() -> None:
    delta = {"mean": 0.25, "low": 0.125, "high": 0.375, "p": 0.002, "significant": True}
    better = result("item-kNN", 0.5) | {"baselines": {"ease": delta, "popularity": delta}}
    report = {**REPORT, "results": [result("popularity", 0.25), result("ease", 0.25) | {"title": "EASE"}, better]}
    head, _, *rows = (
        line.split(" | ") for line in ranking_page(report).markdown().splitlines() if line.startswith("|")
    )
    assert head[-2:] == ["from popularity", "from EASE |"]
    assert [row[-2:] for row in rows] == [
        ["+0.2500*", "+0.2500* (+0.1250 to +0.3750) |"], ["", " |"], ["", " |"],
    ]  # fmt: skip
    page = io.StringIO()
    ranking_page(report).print(Console(file=page, width=200))
    assert "+0.2500* (+0.1250 to +0.3750)" in page.getvalue()


@pytest.mark.parametrize("width", [80, 110, 160])
def test_models_and_figures_are_shown_at_any_terminal_width(width: int) -> None:
    page = io.StringIO()
    ranking_page(REPORT).print(Console(file=page, width=width))
    lines = [line for line in page.getvalue().splitlines() if "0.2500" in line or "0.5000" in line]
    assert [name in line for name, line in zip(("item-kNN", "popularity"), lines, strict=True)] == [True, True]
    assert "Left out: ease: too large." in page.getvalue()
