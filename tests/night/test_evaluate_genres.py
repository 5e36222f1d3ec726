"""`pmrs evaluate-genres` on the sample's night: a table, a file, pictures, and documents."""

import json
from pathlib import Path

import pytest

from jobs.errors import EvaluationError
from jobs.evaluate.genres import command
from jobs.evaluate.genres.command import Config, Options
from jobs.evaluate.genres.show import HEAD, markdown, rows_of
from jobs.evaluate.tables import Told
from tests.night.house import World

QUICK, MODELS = Config(folds=2, seeds=1), ("prior", "mfcc_svm", "logistic", "head")


def quiet(step: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def told(world: World) -> Told:
    return command.run(world.settings, "", QUICK, Options(MODELS), quiet)


def test_the_planted_genres_are_told_from_descriptors_of_the_sound(told: Told) -> None:
    accuracy = {row["model"]: row["accuracy"]["mean"] for row in told["results"]}
    assert accuracy["head"] > accuracy["prior"] + 0.3
    assert told["asked"] == told["tracks"] > 20
    assert told["synthetic"]
    assert "SYNTHETIC" in markdown(told)
    assert all(len(row) == len(HEAD) + 2 for row in rows_of(told))


def test_it_is_kept_as_a_file_with_pictures_and_as_documents(world: World, told: Told) -> None:
    place = world.settings.var / "evaluations" / told["sources"] / f"{told['date']}-genres"
    assert json.loads(place.with_suffix(".json").read_text())["results"] == told["results"]
    assert all((place / f"{name}.svg").read_text().startswith("<svg") for name in MODELS)
    with world.store() as store:
        kept = {row["model"]: row for row in store.quality.find({"kind": "genres", "date": told["date"]})}
    assert set(kept) == set(MODELS)
    assert kept["head"]["accuracy"] == told["results"][-1]["accuracy"]


def test_run_again_it_asks_nothing_anew(world: World, told: Told) -> None:
    def files() -> dict[Path, int]:
        folder = world.settings.var / "evaluations" / told["sources"] / f"{told['date']}-genres" / "answers"
        return {file: file.stat().st_mtime_ns for file in folder.rglob("*.json")}

    before = files()
    again = command.run(world.settings, "", QUICK, Options(MODELS, fold=1), quiet)
    assert before
    assert files() == before
    assert again["results"] == told["results"]


def test_what_cannot_be_asked_is_refused_with_what_to_do(world: World, told: Told) -> None:
    with pytest.raises(EvaluationError, match="there are prior, mfcc_svm"):
        command.run(world.settings, "", QUICK, Options(("oracle",)), quiet)
    with pytest.raises(EvaluationError, match="one of 0 to 1"):
        command.run(world.settings, "", QUICK, Options(MODELS, fold=2), quiet)
    with pytest.raises(EvaluationError, match="add labelled audio"):
        command.run(world.settings, "", Config(folds=900, seeds=1), Options(MODELS), quiet)
