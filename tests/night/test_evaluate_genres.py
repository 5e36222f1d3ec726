"""`pmrs evaluate genres` on the sample's night: page, file, plots and documents."""

import json
from pathlib import Path

import pytest

from jobs.errors import EvaluationError
from jobs.evaluate.genres import command
from jobs.evaluate.genres.command import GenresConfig, Options
from jobs.evaluate.genres.report_tables import COLUMNS, genres_page, model_rows
from jobs.evaluate.report import EvaluationReport
from jobs.progress import ignore_progress
from tests.night.published_night import PublishedNight

QUICK, MODELS = GenresConfig(folds=2, seeds=1), ("prior", "mfcc_svm", "logistic", "logreg")


@pytest.fixture(scope="module")
def report(published: PublishedNight) -> EvaluationReport:
    return command.run(published.settings, "", QUICK, Options(MODELS), ignore_progress)


def test_head_beats_the_prior_on_the_sample(report: EvaluationReport) -> None:
    accuracy = {row["model"]: row["accuracy"]["mean"] for row in report["results"]}
    assert accuracy["logreg"] > accuracy["prior"] + 0.3
    assert report["tested"] == report["tracks"] > 20
    assert report["synthetic"]
    assert "SYNTHETIC" in genres_page(report).markdown()
    assert all(len(row) == len(COLUMNS) + 2 for row in model_rows(report))


def test_report_is_stored_as_file_plots_and_documents(published: PublishedNight, report: EvaluationReport) -> None:
    folder = published.settings.var / "evaluations" / report["sources"] / f"{report['date']}-genres"
    assert json.loads(folder.with_suffix(".json").read_text())["results"] == report["results"]
    assert all((folder / f"{name}.svg").read_text().startswith("<svg") for name in MODELS)
    with published.store() as store:
        stored = {row["model"]: row for row in store.quality.find({"kind": "genres", "date": report["date"]})}
    assert set(stored) == set(MODELS)
    assert stored["logreg"]["accuracy"] == report["results"][-1]["accuracy"]


def test_second_run_uses_the_stored_predictions(published: PublishedNight, report: EvaluationReport) -> None:
    def files() -> dict[Path, int]:
        folder = published.settings.var / "evaluations" / report["sources"] / f"{report['date']}-genres" / "predictions"
        return {file: file.stat().st_mtime_ns for file in folder.rglob("*.json")}

    before = files()
    again = command.run(published.settings, "", QUICK, Options(MODELS, fold=1), ignore_progress)
    assert before
    assert files() == before
    assert again["results"] == report["results"]


def test_invalid_options_raise_with_advice(published: PublishedNight, report: EvaluationReport) -> None:
    with pytest.raises(EvaluationError, match="available are prior, mfcc_svm"):
        command.run(published.settings, "", QUICK, Options(("oracle",)), ignore_progress)
    with pytest.raises(EvaluationError, match="one of 0 to 1"):
        command.run(published.settings, "", QUICK, Options(MODELS, fold=2), ignore_progress)
    with pytest.raises(EvaluationError, match="Add labelled audio"):
        command.run(published.settings, "", GenresConfig(folds=900, seeds=1), Options(MODELS), ignore_progress)
