"""The night's facts in MongoDB: a second report replaces the documents, and they have no user ids."""

import json
from dataclasses import replace

from jobs.mongo.connection import MongoDatabase
from jobs.report.documents import build_documents, store_documents, summarize
from jobs.report.facts import Facts, Stage
from jobs.report.night import build_stages
from jobs.report.verdict import Limits, find_problems
from tests.report.literal import LISTS, METRIC, RUN, example, night, product, quality_row, run_info


def store_report(store: MongoDatabase, facts: Facts) -> None:
    findings = find_problems(facts, Limits(), METRIC)
    store_documents(
        store, build_documents(facts, findings, METRIC), facts.run.run_id, summarize(facts, findings, METRIC)
    )


def test_second_report_replaces_its_own_documents_only(mongo: MongoDatabase) -> None:
    other = replace(night(), run=run_info(run_id="20261113_1"))
    mongo.quality.insert_one({"_id": "evaluation|x", "kind": "evaluation", "run_id": RUN})
    mongo.runs.insert_many([{"_id": RUN, "status": "published"}, {"_id": "20261113_1"}])
    for facts in (other, night(), night(lists={**LISTS, "listless": 4}, products=[product("tracks", rows=7)])):
        store_report(mongo, facts)
    stored = {document["_id"]: document for document in mongo.quality.find({"run_id": RUN})}
    assert set(stored) == {
        "evaluation|x", f"night|{RUN}", f"product|{RUN}|tracks",
        f"nightly|{RUN}|live|{METRIC}", f"nightly|{RUN}|popularity|{METRIC}",
    }  # fmt: skip
    assert {document["kind"] for document in stored.values()} == {"evaluation", "night", "product", "nightly"}
    assert mongo.quality.count_documents({"run_id": "20261113_1"}) == 5
    assert stored[f"product|{RUN}|tracks"]["rows"] == 7
    night_document = stored[f"night|{RUN}"]
    assert (
        night_document["verdict"],
        night_document["findings"][0]["section"],
        night_document["lists"]["listless"],
    ) == ("bad", "lists", 4)
    quality = stored[f"nightly|{RUN}|popularity|{METRIC}"]
    assert (quality["mean"], quality["delta_ci_low"], quality["users"], quality["lists_date"]) == (
        0.05,
        0.04,
        61,
        "2026-11-13",
    )
    run = mongo.runs.find_one({"_id": RUN}) or {}
    assert run["status"] == "published"
    assert run["report"]["verdict"] == "bad"
    assert run["report"]["overlap_20"] == 0.75
    assert run["report"]["quality"] == {
        "metric": METRIC,
        "users": 61,
        "mean": 0.12,
        "low": 0.12 - 0.01,
        "high": 0.12 + 0.01,
    }


def test_documents_have_no_user_ids_and_no_input_lines() -> None:
    facts = night(examples=[example(user="user-one")])
    findings = find_problems(facts, Limits(), METRIC)
    text = json.dumps([build_documents(facts, findings, METRIC), summarize(facts, findings, METRIC)], default=str)
    assert "user-one" not in text
    assert "/logs/a" not in text
    assert '"bad_time"' in text


def test_figures_of_another_day_are_left_out() -> None:
    facts = night(quality=[quality_row("live", 0.1, evaluated_on="2026-11-13")])
    assert not [doc for doc in build_documents(facts, [], METRIC) if doc["kind"] == "nightly"]
    assert summarize(facts, [], METRIC)["quality"] is None


def test_stages_compare_times_if_both_nights_computed() -> None:
    def jobs(**times: tuple[float, bool]) -> dict[str, dict[str, object]]:
        return {job: {"seconds": seconds, "reused": reused} for job, (seconds, reused) in times.items()}

    current = jobs(rank=(9.0, False), mel=(8.0, False), new=(1.0, False), als=(0.2, True))
    previous = jobs(rank=(4.0, False), mel=(0.1, True), als=(7.0, False))
    assert build_stages(current, previous) == [
        Stage("rank", 9.0, False, 4.0), Stage("mel", 8.0, False), Stage("new", 1.0, False), Stage("als", 0.2, True),
    ]  # fmt: skip
