"""`pmrs evaluate` on the sample's lake: stored reports, registered models and promotion."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.cli.models import list_cards, print_models, print_promotion, publish_registry
from jobs.errors import EvaluationError
from jobs.evaluate import command, promote
from jobs.evaluate.command import Options
from jobs.evaluate.promotion_criteria import PromotionCriteria
from jobs.evaluate.report import EvaluationReport
from jobs.evaluate.report_tables import model_rows, published_notes, ranking_page
from jobs.evaluate.sessions import command as sessions_command
from jobs.evaluate.sessions.command import SessionsConfig
from jobs.evaluate.sessions.report_tables import sessions_page
from jobs.evaluate.setup import EvaluationConfig
from jobs.lake.model_registry import registry_of
from jobs.progress import ignore_progress
from jobs.recommenders.ranker_config import RANKING
from models.serialization import from_bytes
from tests.night.published_night import PublishedNight

LIMITS = PromotionCriteria(min_users=50, min_coverage_ratio=0.5)
"""Lower limits for the small sample, where item-kNN has three quarters of the coverage of PMRS."""
QUICK = EvaluationConfig(models=("popularity", "item_knn"), days=2, tune=False)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("split")


@pytest.fixture(scope="module")
def report(published: PublishedNight, split: Path) -> EvaluationReport:
    return command.run(published.settings, QUICK, Options(export=split, register=True), ignore_progress)


def test_item_knn_beats_popularity_on_the_sample(report: EvaluationReport) -> None:
    results = {(r["task"], r["model"]): r for r in report["results"]}
    delta = results["discovery", "item_knn"]["baselines"]["popularity"]
    assert delta["low"] > 0
    assert {task for task, _ in results} >= {"discovery", "re-listening"}


def test_report_is_stored_as_file_and_documents(published: PublishedNight, report: EvaluationReport) -> None:
    assert (
        json.loads(command.report_path(published.settings, report).read_text())["results"][0]["metrics"]
        == report["results"][0]["metrics"]
    )
    with published.store() as store:
        stored = list(store.quality.find({"kind": "evaluation", "date": report["date"], "split": "temporal"}))
    assert {(d["task"], d["model"]) for d in stored} == {(r["task"], r["model"]) for r in report["results"]}
    assert all(d["synthetic"] for d in stored)


def test_query_rows_are_in_the_lake_without_deleted_users(published: PublishedNight, report: EvaluationReport) -> None:
    rows = published.table("evaluation_queries").collect()
    queries = {(r["task"], r["model"]): r["queries"] for r in report["results"]}
    assert {pair: sum(1 for r in rows if (r["task"], r["model"]) == pair) for pair in queries} == queries
    assert not {r["user_id"] for r in rows} & set(published.truth["deleted_users"])


def test_rankings_built_from_the_exported_truth_are_perfect(
    published: PublishedNight, report: EvaluationReport, split: Path, tmp_path: Path
) -> None:
    truth = pq.read_table(split / "discovery_truth").to_pandas().sort_values(["query_id", "track_id"])
    truth["rank"] = truth.groupby("query_id").cumcount() + 1
    path = tmp_path / "oracle.csv"
    truth[truth["rank"] <= 100][["query_id", "rank", "track_id"]].to_csv(path, index=False)
    options = Options(rankings=(path,), baseline="item_knn")
    results = command.run(published.settings, EvaluationConfig(days=2), options, ignore_progress)["results"]
    assert [(r["model"], r["metrics"]["NDCG@100"]["mean"]) for r in results] == [("oracle", 1.0)]
    # compared with models of the earlier run, whose results the report keeps
    assert results[0]["baselines"]["popularity"]["low"] > results[0]["baselines"]["item_knn"]["low"] > 0
    stored = json.loads(command.report_path(published.settings, report).read_text())["results"]
    assert {r["model"] for r in stored if r["task"] == "discovery"} == {"oracle", "popularity", "item_knn"}


def test_table_is_ordered_best_first(report: EvaluationReport) -> None:
    rows = list(model_rows(report, "discovery"))
    assert [row[0] for row in rows] == ["item-kNN", "popularity, all time"]
    assert rows[0][-1].endswith("*")
    assert "item-kNN" in ranking_page(report).markdown()
    assert any("Comparable: no:" in line for line in published_notes(report))


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (EvaluationConfig(split="by_moon"), Options(), "no split 'by_moon'; available are temporal, random, last, users"),
        (EvaluationConfig(models=("svd",)), Options(), "no model 'svd'; available are popularity"),
        (EvaluationConfig(), Options(baseline="svd"), "--baseline: there is no model 'svd'; available are popularity"),
        (EvaluationConfig(days=2), Options(rankings=(Path("/nowhere.parquet"),)), "/nowhere.parquet: there is no such file"),
    ],
)
def test_invalid_options_raise_with_the_available_values(
    published: PublishedNight, config: EvaluationConfig, options: Options, message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        command.run(published.settings, config, options, ignore_progress)


def test_register_stores_a_candidate_with_its_figures(published: PublishedNight, report: EvaluationReport) -> None:
    publish_registry(published.settings)
    with published.store() as store:
        card = store.models.find_one({"_id": f"{RANKING}/{report['registered']['item_knn']}"})
        assert store.models.count_documents({"name": {"$regex": "logreg"}, "live": True}) == 1
    assert (card["method"], card["live"], card["synthetic"]) == ("item_knn", False, True)
    result = next(r for r in report["results"] if (r["model"], r["task"]) == ("item_knn", "discovery"))
    assert card["tasks"]["discovery"]["metrics"]["NDCG@20"] == result["metrics"]["NDCG@20"]
    assert card["window"]["first"] < card["window"]["last"] < "2026-11-13", "two days are asked for"
    weights = published.lake.store.read_bytes(f"models/{RANKING}/{card['digest']}/weights.safetensors")
    assert len(from_bytes(weights)[1]) == report["train"]["tracks"]
    listed = {m["digest"]: m for m in list_cards(published.settings)}
    page = Path(listed[card["digest"]]["page"]).read_text()
    assert listed[card["digest"]]["state"] == "candidate"
    assert "item-kNN" in page
    assert "synthetic" in page
    assert f"{result['metrics']['NDCG@20']['mean']:.4f}" in page


@pytest.mark.slow
def test_promote_accepts_the_better_model_and_refuses_the_worse(
    published: PublishedNight, report: EvaluationReport, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = registry_of(published.settings.lake_root, "sample")
    try:
        better = promote.run(published.settings, "item_knn", "", 2, LIMITS, ignore_progress)
        assert better.verdict.passed, better.verdict.reasons
        assert better.live == registry.digest(RANKING) == report["registered"]["item_knn"]
        worse = promote.run(published.settings, report["registered"]["popularity"][:8], "", 2, LIMITS, ignore_progress)
        assert worse.live == better.live, "a refusal keeps the live one"
        assert any("discovery, NDCG@20" in reason for reason in worse.verdict.reasons)
        assert better.card["gate"][-1]["baseline"] == "PMRS CF with default settings"
        assert worse.card["gate"][-1]["baseline"] == better.live
        with pytest.raises(EvaluationError, match="is live already"):
            promote.run(published.settings, "item_knn", "", 2, PromotionCriteria(), ignore_progress)
        print_models(list_cards(published.settings))
        print_promotion(worse, publish_registry(published.settings))
        message = capsys.readouterr().out
        assert "refused (" in message
        assert f"{better.live} stays live" in message
    finally:
        published.lake.store.remove(f"models/{RANKING}/registered.json")


def test_promote_of_an_unregistered_model_raises(published: PublishedNight, report: EvaluationReport) -> None:
    with pytest.raises(EvaluationError, match=r"no registered recommender 'ease'; registered are: \w+ \("):
        promote.run(published.settings, "ease", "", 2, PromotionCriteria(), ignore_progress)
    with pytest.raises(EvaluationError, match="name at least one"):
        promote.run(published.settings, "item_knn", "", 2, PromotionCriteria(metrics=()), ignore_progress)
    with pytest.raises(EvaluationError, match="no metric 'NDCG'"):
        promote.run(published.settings, "item_knn", "", 2, PromotionCriteria(metrics=("NDCG",)), ignore_progress)


def test_sessions_are_evaluated_and_stored(published: PublishedNight) -> None:
    config = SessionsConfig(("popularity", "sr"), days=2, tune=False)
    report = sessions_command.run(published.settings, "", config, ignore_progress)
    rows = {row["model"]: row["tasks"]["session alone"] for row in report["results"]}
    assert rows["sr"]["metrics"]["HR@20"]["mean"] > rows["popularity"]["metrics"]["HR@20"]["mean"] > 0
    with published.store() as store:
        stored = list(store.quality.find({"kind": "sessions", "date": report["date"]}))
    assert {document["model"] for document in stored} == {"popularity", "sr"}
    page = sessions_page(report).markdown()
    assert "SYNTHETIC" in page
    assert page.index("sequential rules") < page.index("| popularity")


def test_session_evaluation_without_data_or_model_fails_with_the_reason(published: PublishedNight) -> None:
    with pytest.raises(EvaluationError, match="there is no session model 'srr'; available are popularity"):
        sessions_command.run(published.settings, "", SessionsConfig(("srr",)), ignore_progress)
    with pytest.raises(EvaluationError, match=r"No session of the 400 days before .* Choose other --days"):
        sessions_command.run(published.settings, "", SessionsConfig(("sr",), days=400, tune=False), ignore_progress)
