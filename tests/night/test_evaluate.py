"""`pmrs evaluate` on the sample's lake: what it prints is kept, and the planted tastes are found."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.cli.models import all_models, print_models, print_promotion, show_everywhere
from jobs.errors import EvaluationError
from jobs.evaluate import command, promote
from jobs.evaluate.command import Options
from jobs.evaluate.limits import Gate
from jobs.evaluate.question import Config
from jobs.evaluate.show import claims_of, markdown, rows_of
from jobs.lake.model_registry import registry_of
from jobs.recommenders.ranker_config import RANKING
from models.stored import from_bytes
from tests.night.house import World

LIMITS = Gate(fewest_users=50, keep_coverage=0.5)
"""The sample is small, and item-kNN shows three quarters of what PMRS shows of it."""
QUICK = Config(models=("popularity", "item_knn"), days=2, tune=False)


def quiet(step: str) -> None:
    pass


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("split")


@pytest.fixture(scope="module")
def told(world: World, split: Path) -> command.Told:
    return command.run(world.settings, QUICK, Options(export=split, register=True), quiet)


def test_the_planted_tastes_are_found_by_listening_alone(told: command.Told) -> None:
    found = {(r["task"], r["model"]): r for r in told["results"]}
    gap = found["discovery", "item_knn"]["against"]["popularity"]
    assert gap["low"] > 0
    assert {task for task, _ in found} >= {"discovery", "re-listening"}


def test_the_table_is_a_file_and_documents(world: World, told: command.Told) -> None:
    assert (
        json.loads(command.file_of(world.settings, told).read_text())["results"][0]["metrics"]
        == told["results"][0]["metrics"]
    )
    with world.store() as store:
        kept = list(store.quality.find({"kind": "evaluation", "date": told["date"], "split": "temporal"}))
    assert {(d["task"], d["model"]) for d in kept} == {(r["task"], r["model"]) for r in told["results"]}
    assert all(d["synthetic"] for d in kept)


def test_what_every_query_got_is_in_the_lake_and_names_nobody_who_is_forgotten(
    world: World, told: command.Told
) -> None:
    rows = world.table("evaluation_queries").collect()
    queries = {(r["task"], r["model"]): r["queries"] for r in told["results"]}
    assert {pair: sum(1 for r in rows if (r["task"], r["model"]) == pair) for pair in queries} == queries
    assert not {r["user_id"] for r in rows} & set(world.truth["deleted_users"])


def test_lists_from_the_exported_answers_are_perfect(
    world: World, told: command.Told, split: Path, tmp_path: Path
) -> None:
    truth = pq.read_table(split / "discovery_truth").to_pandas().sort_values(["query_id", "track_id"])
    truth["rank"] = truth.groupby("query_id").cumcount() + 1
    path = tmp_path / "oracle.csv"
    truth[truth["rank"] <= 100][["query_id", "rank", "track_id"]].to_csv(path, index=False)
    found = command.run(world.settings, Config(days=2), Options(lists=(path,), against="item_knn"), quiet)["results"]
    assert [(r["model"], r["metrics"]["NDCG@100"]["mean"]) for r in found] == [("oracle", 1.0)]
    # against what others got in the earlier run, beside whose figures its own stand
    assert found[0]["against"]["popularity"]["low"] > found[0]["against"]["item_knn"]["low"] > 0
    kept = json.loads(command.file_of(world.settings, told).read_text())["results"]
    assert {r["model"] for r in kept if r["task"] == "discovery"} == {"oracle", "popularity", "item_knn"}


def test_the_table_reads_best_first(told: command.Told) -> None:
    rows = list(rows_of(told, "discovery"))
    assert [row[0] for row in rows] == ["item-kNN", "popularity, all time"]
    assert rows[0][-1].endswith("*")
    assert "item-kNN" in markdown(told)
    assert any("Comparable: no:" in line for line in claims_of(told))


@pytest.mark.parametrize(
    ("config", "options", "said"),
    [
        (Config(split="by_moon"), Options(), "no split 'by_moon'; there are temporal, random, last, users"),
        (Config(models=("svd",)), Options(), "no model 'svd'; there are popularity"),
        (Config(), Options(against="svd"), "--against: there is no model 'svd'; there are popularity"),
        (Config(days=2), Options(lists=(Path("/nowhere.parquet"),)), "/nowhere.parquet: there is no such file"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_can(world: World, config: Config, options: Options, said: str) -> None:
    with pytest.raises(EvaluationError, match=said):
        command.run(world.settings, config, options, quiet)


def test_what_was_fitted_is_registered_as_a_candidate_with_its_figures(world: World, told: command.Told) -> None:
    show_everywhere(world.settings)
    with world.store() as store:
        card = store.models.find_one({"_id": f"{RANKING}/{told['registered']['item_knn']}"})
        assert store.models.count_documents({"name": {"$regex": "genre_cnn"}, "live": True}) == 1
    assert (card["method"], card["live"], card["synthetic"]) == ("item_knn", False, True)
    result = next(r for r in told["results"] if (r["model"], r["task"]) == ("item_knn", "discovery"))
    assert card["tasks"]["discovery"]["metrics"]["NDCG@20"] == result["metrics"]["NDCG@20"]
    assert card["window"]["first"] < card["window"]["last"] < "2026-11-13", "two days are asked for"
    weights = world.lake.store.read_bytes(f"models/{RANKING}/{card['digest']}/weights.safetensors")
    assert len(from_bytes(weights)[1]) == told["train"]["tracks"]
    listed = {m["digest"]: m for m in all_models(world.settings)}
    page = Path(listed[card["digest"]]["page"]).read_text()
    assert listed[card["digest"]]["state"] == "candidate"
    assert "item-kNN" in page
    assert "synthetic" in page
    assert f"{result['metrics']['NDCG@20']['mean']:.4f}" in page


@pytest.mark.slow
def test_the_gate_lets_the_better_model_in_and_keeps_the_worse_one_out(
    world: World, told: command.Told, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = registry_of(world.settings.lake_root, "sample")
    try:
        better = promote.run(world.settings, "item_knn", "", 2, LIMITS, quiet)
        assert better.verdict.passed, better.verdict.reasons
        assert better.live == registry.digest(RANKING) == told["registered"]["item_knn"]
        worse = promote.run(world.settings, told["registered"]["popularity"][:8], "", 2, LIMITS, quiet)
        assert worse.live == better.live, "a refusal keeps the live one"
        assert any("discovery, NDCG@20" in reason for reason in worse.verdict.reasons)
        assert better.card["gate"][-1]["against"] == "PMRS CF as it is shipped"
        assert worse.card["gate"][-1]["against"] == better.live
        with pytest.raises(EvaluationError, match="is live already"):
            promote.run(world.settings, "item_knn", "", 2, Gate(), quiet)
        print_models(all_models(world.settings))
        print_promotion(worse, show_everywhere(world.settings))
        said = capsys.readouterr().out
        assert "refused (" in said
        assert f"{better.live} stays live" in said
    finally:
        world.lake.store.remove(f"models/{RANKING}/registered.json")


def test_only_what_is_registered_can_be_promoted(world: World, told: command.Told) -> None:
    with pytest.raises(EvaluationError, match=r"no registered recommender 'ease'; there are: \w+ \("):
        promote.run(world.settings, "ease", "", 2, Gate(), quiet)
    with pytest.raises(EvaluationError, match="name at least one"):
        promote.run(world.settings, "item_knn", "", 2, Gate(metrics=()), quiet)
    with pytest.raises(EvaluationError, match="no metric 'NDCG'"):
        promote.run(world.settings, "item_knn", "", 2, Gate(metrics=("NDCG",)), quiet)
