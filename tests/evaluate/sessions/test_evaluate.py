"""Session models are tuned on the inner split and scored on the same positions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from jobs.evaluate.sessions.evaluate import build_tasks, evaluate_models, inner_split
from jobs.evaluate.sessions.model_specs import SessionModelSpec
from jobs.evaluate.sessions.split import DAY, split_sessions
from jobs.progress import ignore_progress
from models.data.sessions import RankedItems, SessionQueries, Sessions
from models.protocol import CatalogTooLargeError
from models.types import Tensors
from tests.evaluate.sessions.literal import N_ITEMS, ByPopularity, random_sessions

SPLIT = split_sessions(random_sessions(11, 300), 10 * DAY, 4)


@dataclass(frozen=True)
class StepConfig:
    step: int = 1


class Successor:
    """Recommends the track some steps after the last one played."""

    def __init__(self, step: int) -> None:
        self.step = step

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        del k
        last = queries.padded(1, 0)
        return RankedItems((last + self.step) % N_ITEMS, np.ones(last.shape, np.float32))

    def tensors(self) -> Tensors:
        return {}


def successor(name: str, *steps: int) -> SessionModelSpec:
    return SessionModelSpec(name, name, lambda train, config, seeds: [Successor(config.step)], tuple(map(StepConfig, steps)))


def popularity(train: Sessions, config: object, seeds: Sequence[int]) -> list[ByPopularity]:
    del config, seeds
    return [ByPopularity(train)]


BY_POPULARITY = SessionModelSpec("vsknn", "popularity", popularity, (StepConfig(),))


def test_the_best_setting_of_the_inner_split_is_chosen() -> None:
    tasks = build_tasks(SPLIT, 0, 7)
    specs = [successor("sr", 3, 1), BY_POPULARITY]
    rows = {r["model"]: r for r in evaluate_models(SPLIT, tasks, specs, inner_split(SPLIT, 4), 7, ignore_progress)}
    assert rows["sr"]["settings"] == {"step": 1}
    figures = rows["sr"]["tasks"]["session alone"]
    assert figures["metrics"]["HR@20"]["mean"] > 0.4
    difference = figures["differences"]["vsknn"]["MRR@20"]
    assert difference["low"] > 0
    means = [rows[name]["tasks"]["session alone"]["metrics"]["MRR@20"]["mean"] for name in ("sr", "vsknn")]
    assert difference["mean"] == pytest.approx(means[0] - means[1])


def test_the_mean_is_over_positions_and_the_interval_over_sessions() -> None:
    (task, *_) = build_tasks(SPLIT, 0, 7)
    (row,) = evaluate_models(SPLIT, [task], [successor("sr", 1)], None, 7, ignore_progress)
    interval = row["tasks"][task.name]["metrics"]["HR@5"]
    truth, queries = task.positions.truth, task.positions.queries
    hits = (queries.padded(1, 0)[:, 0] + 1) % N_ITEMS == truth.target
    assert interval["mean"] == pytest.approx(hits.mean())
    assert interval["low"] < hits.mean() < interval["high"]


def test_tasks_without_the_past_hide_user_and_past() -> None:
    alone, past, *_ = build_tasks(SPLIT, 0, 7)
    assert (alone.positions.queries.users == -1).all()
    assert (alone.positions.queries.past_ends == alone.positions.queries.past_starts).all()
    assert (past.positions.queries.past_ends > past.positions.queries.past_starts).any()


def test_without_inner_queries_the_first_settings_are_taken() -> None:
    tasks = build_tasks(SPLIT, 0, 7)
    (row,) = evaluate_models(SPLIT, tasks, [successor("sr", 3, 1)], inner_split(SPLIT, 400), 7, ignore_progress)
    assert row["settings"] == {"step": 3}
    assert row["tuning"] == {}


def test_a_model_that_refuses_the_size_is_left_out_with_its_reason() -> None:
    def refuse(train: Sessions, config: object, seeds: Sequence[int]) -> list[ByPopularity]:
        raise CatalogTooLargeError("30 items need more than 1 byte")

    spec = replace(BY_POPULARITY, name="huge", fit=refuse)
    huge, other = evaluate_models(SPLIT, build_tasks(SPLIT, 0, 7), [spec, BY_POPULARITY], None, 7, ignore_progress)
    assert huge["left_out"] == "30 items need more than 1 byte"
    assert other["tasks"]
