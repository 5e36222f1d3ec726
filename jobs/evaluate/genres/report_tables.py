"""The page of `pmrs evaluate genres`, and the plot of a confusion matrix."""

import numpy as np

from jobs import plots
from jobs.evaluate.genres.figures import BASELINES
from jobs.evaluate.report import (
    EvaluationReport,
    ReportPage,
    ReportTable,
    Row,
    format_difference,
    format_interval,
    page_title,
)  # fmt: skip

COLUMNS = ("model", "clips", "accuracy", "95 %", "spread over seeds", "macro F1", "log loss", "s a fold")
MIN_WIDTHS = {"spread over seeds": 130, "s a fold": 110, "log loss": 100, "macro F1": 100}


def baseline_titles(report: EvaluationReport) -> dict[str, str]:
    """Return short titles by name of the baselines in the report."""
    titles = {row["model"]: row["title"].split(",")[0].removesuffix(" (scikit-learn)") for row in report["results"]}
    return {name: titles[name] for name in BASELINES if name in titles}


def model_rows(report: EvaluationReport) -> list[tuple[str, ...]]:
    """Return a row of cells per model, the best first."""
    ordered = sorted(report["results"], key=lambda row: (-row["accuracy"]["mean"], row["model"]))
    return [_model_row(row, list(baseline_titles(report))) for row in ordered]


def _model_row(row: Row, baseline_names: list[str]) -> tuple[str, ...]:
    return (
        row["title"],
        row["preset"] + (f" (tiled: {row['tiled']:.0%})" if row["tiled"] else ""),
        f"{row['accuracy']['mean']:.3f}",
        format_interval(row["accuracy"]),
        f"{row['seed_spread']:.3f}",
        f"{row['macro_f1']:.3f}",
        "" if row["log_loss"] is None else f"{row['log_loss']:.3f}",
        f"{row['seconds']:.1f}",
        *(format_difference(row["baselines"].get(name), digits=3) for name in baseline_names),
    )


def genres_page(report: EvaluationReport) -> ReportPage:
    """Return the page of `pmrs evaluate genres`."""
    n_genres, genre_set = len(report["genres"]), report["genre_set"]
    facts = [
        f"{report['tracks']} tracks of {n_genres} genres of the set {genre_set}; {report['tested']} of them are tested."
    ]
    if report["left_out"]:
        small = ", ".join(f"{genre} ({count})" for genre, count in report["left_out"].items())
        facts.append(f"Left out are genres with fewer tracks than folds (for two folds: than four): {small}.")
    columns = (*COLUMNS, *(f"from {title}" for title in baseline_titles(report).values()))
    table = ReportTable(columns, model_rows(report), n_text_columns=2, min_widths=MIN_WIDTHS)
    return ReportPage(page_title(report), facts, [table])


def confusion_plot(row: Row, genres: list[str]) -> str:
    """Return an SVG: the share of each genre's tracks (rows) that the model predicted as each genre."""
    title = f"{row['title']}\naccuracy {row['accuracy']['mean']:.2f}"
    return plots.confusion(np.array(row["confusion"], float), genres, row["model"], title, shares=True) + "\n"
