"""The night's facts in MongoDB: one document each, replaced by a later try, and nobody's name in them."""

import json
from dataclasses import replace

from jobs.mongo.connection import MongoDatabase
from jobs.report.documents import compact, documents, store_documents
from jobs.report.facts import Facts, Stage
from jobs.report.night import stages
from jobs.report.verdict import Limits, judge
from tests.report.literal import LISTS, METRIC, RUN, example, judged, night, product, seen


def keep(store: MongoDatabase, facts: Facts) -> None:
    findings = judge(facts, Limits(), METRIC)
    store_documents(store, documents(facts, findings, METRIC), facts.seen.run_id, compact(facts, findings, METRIC))


def test_a_repeated_report_replaces_its_own_documents_and_no_others(mongo: MongoDatabase) -> None:
    other = replace(night(), seen=seen(run_id="20261113_1"))
    mongo.quality.insert_one({"_id": "evaluation|x", "kind": "evaluation", "run_id": RUN})
    mongo.runs.insert_many([{"_id": RUN, "status": "published"}, {"_id": "20261113_1"}])
    for facts in (other, night(), night(lists={**LISTS, "listless": 4}, products=[product("tracks", rows=7)])):
        keep(mongo, facts)
    found = {document["_id"]: document for document in mongo.quality.find({"run_id": RUN})}
    assert set(found) == {
        "evaluation|x", f"night|{RUN}", f"product|{RUN}|tracks",
        f"nightly|{RUN}|live|{METRIC}", f"nightly|{RUN}|popularity|{METRIC}",
    }  # fmt: skip
    assert {document["kind"] for document in found.values()} == {"evaluation", "night", "product", "nightly"}
    assert mongo.quality.count_documents({"run_id": "20261113_1"}) == 5
    assert found[f"product|{RUN}|tracks"]["rows"] == 7
    whole = found[f"night|{RUN}"]
    assert (whole["verdict"], whole["findings"][0]["anchor"], whole["lists"]["listless"]) == ("bad", "lists", 4)
    quality = found[f"nightly|{RUN}|popularity|{METRIC}"]
    assert (quality["mean"], quality["delta_ci_low"], quality["users"], quality["lists_date"]) == (0.05, 0.04, 61, "2026-11-13")
    run = mongo.runs.find_one({"_id": RUN}) or {}
    assert run["status"] == "published"
    assert run["report"]["verdict"] == "bad"
    assert run["report"]["overlap_20"] == 0.75
    assert run["report"]["quality"] == {"metric": METRIC, "users": 61, "mean": 0.12, "low": 0.12 - 0.01, "high": 0.12 + 0.01}


def test_no_document_names_a_listener_or_repeats_a_line_of_the_input() -> None:
    facts = night(examples=[example(user="listener-one")])
    findings = judge(facts, Limits(), METRIC)
    told = json.dumps([documents(facts, findings, METRIC), compact(facts, findings, METRIC)], default=str)
    assert "listener-one" not in told
    assert "/logs/a" not in told
    assert '"bad_time"' in told


def test_figures_of_another_day_are_not_this_nights() -> None:
    facts = night(quality=[judged("live", 0.1, judged="2026-11-13")])
    assert not [one for one in documents(facts, [], METRIC) if one["kind"] == "nightly"]
    assert compact(facts, [], METRIC)["quality"] is None


def test_times_are_compared_where_both_nights_computed() -> None:
    def jobs(**times: tuple[float, bool]) -> dict[str, dict[str, object]]:
        return {job: {"seconds": seconds, "reused": reused} for job, (seconds, reused) in times.items()}

    now = jobs(rank=(9.0, False), mel=(8.0, False), new=(1.0, False), als=(0.2, True))
    then = jobs(rank=(4.0, False), mel=(0.1, True), als=(7.0, False))
    assert stages(now, then) == [
        Stage("rank", 9.0, False, 4.0), Stage("mel", 8.0, False), Stage("new", 1.0, False), Stage("als", 0.2, True),
    ]  # fmt: skip
