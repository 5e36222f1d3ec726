import io

import pytest
from rich.console import Console

from jobs.evaluate.show import markdown, print_table

MEASURES = ("NDCG@20", "R_liang@20", "HR@10", "MRR@20", "MAP@20")


def one(model: str, value: float) -> dict[str, object]:
    return {
        "model": model, "title": model, "task": "discovery", "seeds": (), "queries": 9, "users": 9, "claims": [], "against": {},
        "metrics": {m: {"mean": value, "low": value, "high": value} for m in MEASURES}, "fit_seconds": 1.0, "list_seconds": 0.5,
        "beyond": {"coverage": 0.5, "popularity_lift": None},
    }  # fmt: skip


TOLD = {
    "sources": "small", "date": "2026-11-14", "synthetic": False, "protocol": "asked", "tasks": {"discovery": "new tracks"},
    "train": {"users": 9, "tracks": 5, "ratings": 20}, "catalogue": 6, "left_out": {"ease": "too large"},
    "results": [one("popularity", 0.25), one("item-kNN", 0.5)],
}  # fmt: skip


def test_every_metric_is_told_with_its_interval_where_that_is_wanted() -> None:
    page = io.StringIO()
    print_table(TOLD, Console(file=page, width=110), full=True)
    (line,) = [line for line in page.getvalue().splitlines() if "MRR@20" in line and "(" in line]
    assert [cell.strip() for cell in line.strip("│┃").split("│")] == [
        "MRR@20", "0.5000 (0.5000-0.5000)", "0.2500 (0.2500-0.2500)",
    ]  # fmt: skip
    assert "| MAP@20 | 0.5000 (0.5000-0.5000) | 0.2500 (0.2500-0.2500) |" in markdown(TOLD, full=True)
    assert "| MAP@20 | 0.5" not in markdown(TOLD)


def test_the_difference_from_another_model_has_a_column_with_its_interval() -> None:
    gap = {"mean": 0.25, "low": 0.125, "high": 0.375, "p": 0.002, "significant": True}
    better = one("item-kNN", 0.5) | {"against": {"ease": gap, "popularity": gap}}
    told = {**TOLD, "results": [one("popularity", 0.25), one("ease", 0.25) | {"title": "EASE"}, better]}
    head, _, *rows = (line.split(" | ") for line in markdown(told).splitlines() if line.startswith("|"))
    assert head[-2:] == ["from popularity", "from EASE |"]
    assert [row[-2:] for row in rows] == [
        ["+0.2500*", "+0.2500* (+0.1250 to +0.3750) |"], ["", " |"], ["", " |"],
    ]  # fmt: skip
    page = io.StringIO()
    print_table(told, Console(file=page, width=200))
    assert "+0.2500* (+0.1250 to +0.3750)" in page.getvalue()


@pytest.mark.parametrize("width", [80, 110, 160])
def test_every_model_and_its_figure_can_be_read_on_a_terminal_of_any_width(width: int) -> None:
    page = io.StringIO()
    print_table(TOLD, Console(file=page, width=width))
    lines = [line for line in page.getvalue().splitlines() if "0.2500" in line or "0.5000" in line]
    assert [name in line for name, line in zip(("item-kNN", "popularity"), lines, strict=True)] == [True, True]
    assert "Left out: ease: too large." in page.getvalue()
