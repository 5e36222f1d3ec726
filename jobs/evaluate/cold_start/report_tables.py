"""The page of `pmrs evaluate cold-start`."""

from jobs.evaluate.cold_start.command import BASELINES, METRICS
from jobs.evaluate.report import (
    EvaluationReport,
    ReportPage,
    ReportTable,
    Row,
    format_difference,
    format_interval,
    page_title,
)  # fmt: skip

COLUMNS = (
    "model", *(name for metric in METRICS for name in (metric, "95 %")), *(f"{METRICS[1]} from {name}" for name in BASELINES),
)  # fmt: skip


def _model_row(row: Row) -> tuple[str, ...]:
    figures = [cell for metric in METRICS for cell in (f"{row[metric]['mean']:.4f}", format_interval(row[metric]))]
    return (row["title"], *figures, *(format_difference(row["baselines"].get(name)) for name in BASELINES))


def cold_start_page(report: EvaluationReport) -> ReportPage:
    """Return the page of `pmrs evaluate cold-start`."""
    facts = [
        f"New tracks: {report['new_tracks']:,}; other tracks: {report['other_tracks']:,}.",
        f"Test users: {report['users']:,}, with {report['likes']:,} likes of new tracks.",
    ]
    return ReportPage(page_title(report), facts, [ReportTable(COLUMNS, [_model_row(row) for row in report["results"]])])
