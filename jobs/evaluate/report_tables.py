"""Pages of `pmrs evaluate` and `pmrs evaluate pairs`, for the terminal and docs/results.md."""

from jobs.evaluate.report import (
    EvaluationReport,
    ReportPage,
    ReportTable,
    Row,
    format_difference,
    format_interval,
    page_title,
)  # fmt: skip
from jobs.evaluate.result import PRIMARY_METRIC

OTHER_METRICS = ("R_liang@20", "HR@10", "MRR@20", "MAP@20")
COLUMNS = ("model", PRIMARY_METRIC, "95 %", *OTHER_METRICS, "coverage", "lift", "seconds", "from popularity")
"""Followed by a column for each other baseline."""
MIN_WIDTHS = {"MAP@20": 140, "lift": 140, "seconds": 140, "R_liang@20": 110, "HR@10": 110, "MRR@20": 110}


def baselines(report: EvaluationReport) -> dict[str, str]:
    """Return titles by name of the baselines other than popularity."""
    titles = {r["model"]: r["title"] for r in report["results"]}
    names = sorted({name for r in report["results"] for name in r["baselines"]} - {"popularity"})
    return {name: titles.get(name, name) for name in names}


def results_of(report: EvaluationReport, task: str) -> list[Row]:
    """Return the results of a task, best NDCG@20 first."""
    results = [r for r in report["results"] if r["task"] == task]
    return sorted(results, key=lambda r: (-r["metrics"][PRIMARY_METRIC]["mean"], r["model"]))


def model_rows(report: EvaluationReport, task: str) -> list[tuple[str, ...]]:
    """Return a row of cells per model, best NDCG@20 first."""
    return [_model_row(result, list(baselines(report))) for result in results_of(report, task)]


def _model_row(result: Row, baseline_names: list[str]) -> tuple[str, ...]:
    primary, lift = result["metrics"][PRIMARY_METRIC], result["beyond_accuracy"].get("popularity_lift")
    return (
        result["title"] + (f", {len(result['seeds'])} seeds" if result["seeds"] else ""),
        f"{primary['mean']:.4f}",
        format_interval(primary),
        *[f"{result['metrics'][m]['mean']:.4f}" for m in OTHER_METRICS],
        f"{result['beyond_accuracy']['coverage']:.1%}",
        f"{lift:+.2f}" if lift is not None else "",
        f"{result['fit_seconds'] + result['list_seconds']:.1f}",
        format_difference(result["baselines"].get("popularity")),
        *[format_difference(result["baselines"].get(name), with_interval=True) for name in baseline_names],
    )


def _models_table(report: EvaluationReport, task: str, protocol: str) -> ReportTable:
    first = results_of(report, task)[0]
    title = f"{task}: {protocol} ({first['queries']:,} queries of {first['users']:,} users)"
    columns = (*COLUMNS, *(f"from {title}" for title in baselines(report).values()))
    return ReportTable(columns, model_rows(report, task), title, min_widths=MIN_WIDTHS)


def _all_metrics_table(report: EvaluationReport, task: str) -> ReportTable:
    """Return a row per metric: its mean and 95 % interval for each model."""
    results = results_of(report, task)
    rows = [
        (metric, *(f"{m['mean']:.4f} ({format_interval(m, 4)})" for m in (r["metrics"][metric] for r in results)))
        for metric in results[0]["metrics"]
    ]
    return ReportTable(
        ("metric", *(r["model"] for r in results)), rows, f"{task}: every metric, with its 95 % interval"
    )


def published_notes(report: EvaluationReport) -> list[str]:
    """Return a sentence for each method with published results."""
    by_model: dict[str, dict[tuple[str, str], None]] = {}
    for result in report["results"]:
        for published in result["published_results"]:
            figure = f"{published['metric']} {published['value']} ({published['source']})"
            by_model.setdefault(result["title"], {})[figure, published["comparable"]] = None
    notes = []
    for title, figures in by_model.items():
        reasons = dict.fromkeys(reason for _, reason in figures)
        notes.append(f"Papers on {title}: {'; '.join(f for f, _ in figures)}. Comparable: {'; '.join(reasons)}.")
    return notes


def ranking_page(report: EvaluationReport, all_metrics: bool = False) -> ReportPage:
    """Return the page of `pmrs evaluate`: a table per task; `all_metrics`: another with every metric and its interval."""
    train = report["train"]
    facts = [
        f"Training data: {train['ratings']:,} ratings of {train['users']:,} users. "
        f"Ranked are all {train['tracks']:,} tracks in it, of {report['catalogue']:,} in the catalogue.",
        *(f"Left out: {name}: {reason}." for name, reason in report["left_out"].items()),
    ]
    tables = []
    for task, protocol in report["tasks"].items():
        if results_of(report, task):
            tables.append(_models_table(report, task, protocol))
            tables += [_all_metrics_table(report, task)] if all_metrics else []
    return ReportPage(page_title(report), facts, tables, published_notes(report))


def pairs_page(report: EvaluationReport) -> ReportPage:
    """Return the page of `pmrs evaluate pairs`, best AUC first."""
    first, rows = report["results"][0], []
    for row in sorted(report["results"], key=lambda r: -r["AUC"]["mean"]):
        cells = [cell for m in ("AUC", "AP") for cell in (f"{row[m]['mean']:.4f}", format_interval(row[m]))]
        errors = [f"{row['errors'][name]:.4f}" if "errors" in row else "" for name in ("rmse", "mae")]
        rows.append((row["title"], *cells, *errors))
    facts = [
        f"Test data: {first['pairs']:,} pairs of {first['users']:,} users, {first['share_true']:.1%} of them positive.",
        *(f"Left out: {name}: {reason}." for name, reason in report["left_out"].items()),
    ]
    table = ReportTable(("model", "AUC", "95 %", "AP", "95 % of AP", "RMSE", "MAE"), rows)
    return ReportPage(page_title(report), facts, [table])
