"""Reruns, killed nights and older nights: the live night stays complete."""

import datetime as dt
import os
import signal
import subprocess
import sys

import pytest

from jobs.errors import AuditError, LeaseError, SourceError
from jobs.mongo import lease, views
from jobs.mongo.names import RECOMMENDATIONS, SECONDARY_VIEWS, collection_name
from jobs.ranking.config import RankConfig
from jobs.recommenders import list_rules
from jobs.registry import FAMILIES
from jobs.runner import close_run, open_run, run_named
from jobs.settings import REPOSITORY
from jobs.sources.config import load_sources
from tests.night.published_night import QUICK_JAVA, PublishedNight, digests, documents, run_night


@pytest.mark.slow
def test_rerun_of_a_date_gives_the_same_digests_and_documents(published: PublishedNight) -> None:
    before = digests(published)
    with published.store() as store:
        first = views.live_run(store)
    again = run_night(published.settings, published.date, force=True)
    assert digests(published) == before
    with published.store() as store:
        assert views.live_run(store) == again != first
        for view in (RECOMMENDATIONS, *SECONDARY_VIEWS):
            assert documents(store, again, view) == documents(store, first or "", view)


def test_unchanged_night_is_copied_and_a_damaged_one_is_written_anew(published: PublishedNight) -> None:
    with published.store() as store:
        first = views.live_run(store) or ""
        copied = run_night(published.settings, published.date, families=("publish",))
        assert store.publications.find_one({"_id": copied})["copied_from"] == first
        for view in (RECOMMENDATIONS, *SECONDARY_VIEWS):
            assert documents(store, copied, view) == documents(store, first, view)
            assert store[f"{view}__{copied}"].distinct("run_id") == [copied]
            assert store[f"{view}__{copied}"].options() == store[f"{view}__{first}"].options()
        publication = store.publications.find_one({"_id": copied})
        _publish_again(published, copied)
        assert store.publications.find_one({"_id": copied}) == publication, "a repeated task publishes nothing again"
        expected = documents(store, first)
        for run in (first, copied):
            store[f"{RECOMMENDATIONS}__{run}"].delete_one({})
        written = run_night(published.settings, published.date, families=("publish",))
        assert "copied_from" not in store.publications.find_one({"_id": written})
        assert documents(store, written) == expected


def _publish_again(published: PublishedNight, run_id: str) -> None:
    """Run the task of a published run again, as Airflow does if a later job of its family has failed."""
    sources = load_sources(published.settings.sources_file)
    with published.store() as store:
        earlier_run = (store.publications.find_one({"_id": run_id}) or {})["copied_from"]
        views.point(store, RECOMMENDATIONS, collection_name(RECOMMENDATIONS, earlier_run))
    run_named(published.settings, "publish", published.date, run_id)
    close_run(published.settings, sources, run_id)


@pytest.mark.parametrize("point", ["before-commit", "after-commit"])
def test_killed_publish_leaves_one_complete_live_night_and_a_rerun_repairs_it(published: PublishedNight, point: str) -> None:
    sources = load_sources(published.settings.sources_file)
    with published.store() as store:
        live = views.live_run(store)
        assert live is not None
        live_documents = documents(store, live)
    killed = open_run(published.settings, sources, published.date)
    assert _publish_in_own_process(published, killed, point) == -signal.SIGKILL
    with published.store() as store:
        now = views.live_run(store)
        assert now == (live if point == "before-commit" else killed)
        assert documents(store, now or "") == live_documents
        assert store.recommendations.count_documents({}) == len(live_documents)
        store.leases.delete_many({})  # the killed process no longer renews its lease; another test waits for one
    # the lake is unchanged: the full rerun reuses its rows
    again = run_night(published.settings, published.date, families=("publish",) if point == "before-commit" else FAMILIES)
    with published.store() as store:
        assert views.live_run(store) == again
        assert documents(store, again) == live_documents
        if point == "after-commit":
            assert store.publications.find_one({"_id": killed}) is not None
            jobs = store.runs.find_one({"_id": again})["jobs"]
            assert all(jobs[name]["reused"] for name in ("catalogue", "history", "mel", "collaborative", "rank"))
        else:
            assert f"recommendations__{killed}" not in store.list_collection_names()


def _publish_in_own_process(published: PublishedNight, run_id: str, point: str) -> int:
    environment = {
        **os.environ,
        "PMRS_VAR": str(published.settings.var),
        "PMRS_SOURCES": str(published.settings.sources_file),
        "PMRS_MONGO_URI": published.settings.uri.get_secret_value(),
        "PMRS_MASTER": "local[2]",
        "PMRS_DRIVER_MEMORY": "2g",
        "PMRS_KILL_AT": point,
        "JDK_JAVA_OPTIONS": QUICK_JAVA,
    }
    # one kill meets a copy of the live night, the other documents that Spark writes
    force = ["--force"] if point == "after-commit" else []
    command = [sys.executable, "-m", "jobs", "run", "publish", "--date", published.date.isoformat(), "--run-id", run_id, *force]
    return subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, check=False, timeout=300).returncode


@pytest.mark.slow
def test_older_night_is_published_and_does_not_become_live(published: PublishedNight) -> None:
    with published.store() as store:
        live = views.live_run(store)
    metrics = published.settings.var / "metrics" / "sample.prom"
    newest = metrics.read_text()
    older = run_night(published.settings, published.date - dt.timedelta(days=1))
    assert metrics.read_text() == newest
    with published.store() as store:
        assert views.live_run(store) == live
        run = store.runs.find_one({"_id": older})
        assert run["status"] == "published"
        # equal audio gives equal rows, so no file is decoded again for another date
        assert run["jobs"]["mel"]["reused"]
        assert run["jobs"]["genre_score"]["reused"]
        assert documents(store, older)
        facts = store.quality.find_one({"_id": f"night|{older}"})
        assert (facts["live"], facts["findings"][0]["section"]) == (False, "top")


def test_second_run_of_a_date_raises_while_the_first_has_the_lease(published: PublishedNight) -> None:
    sources = load_sources(published.settings.sources_file)
    first = open_run(published.settings, sources, published.date)
    with published.store() as store, lease.Heartbeat(store, published.date.isoformat(), first, lost=pytest.fail):
        with pytest.raises(LeaseError, match="Another run"):
            run_named(published.settings, "publish", published.date, "20261114_99")
        with pytest.raises(LeaseError, match="Another run"):
            open_run(published.settings, sources, published.date)
    assert close_run(published.settings, sources, first)[0] == "failed"


@pytest.mark.slow
def test_missing_source_fails_the_run_and_the_live_night_stays(published: PublishedNight) -> None:
    with published.store() as store:
        live = views.live_run(store)
    folder = published.settings.var / "sample"
    (folder / "msd" / "genres.cls").rename(folder / "msd" / "genres.away")
    try:
        with pytest.raises(SourceError, match=r"genres\.cls"):
            run_night(published.settings, published.date)
    finally:
        (folder / "msd" / "genres.away").rename(folder / "msd" / "genres.cls")
    with published.store() as store:
        assert views.live_run(store) == live
        failed = store.runs.find_one(sort=[("started_at", -1)])
        assert failed["status"] == "failed"
        assert "genres.cls" in failed["error"]


def test_source_with_too_much_garbage_raises_with_the_limit(published: PublishedNight) -> None:
    labels = published.settings.var / "sample" / "msd" / "genres.cls"
    text = labels.read_bytes()
    labels.write_bytes(text + b"no label at all\n" * (text.count(b"\n") // 5))
    try:
        with pytest.raises(SourceError, match="more than 5%"):
            run_named(published.settings, "snapshots", published.date)
    finally:
        labels.write_bytes(text)


def test_audit_of_an_incomplete_night_raises(published: PublishedNight) -> None:
    from jobs.publish.audit import Expected, audit

    ranked, users = published.table("ranked"), published.table("eligible_users")
    expected = Expected(
        users,
        list_rules.list_members(published.table("track_genres")),
        published.table("history").select("user_id", "track_id"),
        list_rules.list_limit(RankConfig.overall, RankConfig.per_genre),
    )
    assert audit(ranked, expected).users == users.count()
    with pytest.raises(AuditError, match="shorter"):
        audit(ranked.where("NOT (list = 'overall' AND rank = 20)"), expected)
