"""The page of `pmrs evaluate sessions`: a table per task."""

from jobs.evaluate.report import (
    EvaluationReport,
    ReportPage,
    ReportTable,
    Row,
    format_difference,
    format_interval,
    page_title,
)  # fmt: skip
from jobs.evaluate.sessions.model_specs import BASELINES

FIRST = ("HR@20", "MRR@20")
"""Metrics with their interval."""
OTHERS = ("HR@5", "HR@10", "MRR@10", "R@20", "P@20", "NDCG@20", "MAP@20")
COLUMNS = (
    "model", *(cell for name in FIRST for cell in (name, "95 %")), *OTHERS,
    *(f"{metric} from {name}" for name in BASELINES for metric in FIRST), "positions/s",
)  # fmt: skip
MIN_WIDTHS = dict.fromkeys(COLUMNS[5:], 150)


def _model_row(row: Row, task: str) -> tuple[str, ...]:
    figures = row["tasks"][task]
    metrics, differences = figures["metrics"], figures["differences"]
    return (
        row["title"] + (f", {len(row['seeds'])} seeds" if len(row["seeds"]) > 1 else ""),
        *(cell for name in FIRST for cell in (f"{metrics[name]['mean']:.4f}", format_interval(metrics[name]))),
        *(f"{metrics[name]['mean']:.4f}" for name in OTHERS),
        *(format_difference(differences.get(name, {}).get(metric)) for name in BASELINES for metric in FIRST),
        f"{figures['positions_per_second']:,}",
    )


def sessions_page(report: EvaluationReport) -> ReportPage:
    """Return the page, with the models of each task by HR@20."""
    train = report["train"]
    rows = [row for row in report["results"] if "left_out" not in row]
    tables = []
    for name, task in report["tasks"].items():
        by_hits = sorted(rows, key=lambda row: -row["tasks"][name]["metrics"]["HR@20"]["mean"])
        title = f"{name}: {task['protocol']} ({task['positions']:,} positions of {task['sessions']:,} sessions)"
        tables.append(ReportTable(COLUMNS, [_model_row(row, name) for row in by_hits], title, min_widths=MIN_WIDTHS))
    facts = [
        f"Training data: {train['plays']:,} plays of {train['tracks']:,} tracks in {train['sessions']:,} sessions; "
        f"{report['equal_timestamps']:.1%} of the plays have the timestamp of the play before them.",
        *(f"Left out: {row['model']}: {row['left_out']}." for row in report["results"] if "left_out" in row),
    ]
    return ReportPage(page_title(report), facts, tables)
