"""The same night again, killed nights, older nights: what is live stays whole."""

import datetime as dt
import os
import signal
import subprocess
import sys

import pytest

from jobs.errors import AuditError, LeaseError, SourceError
from jobs.mongo import lease, views
from jobs.mongo.names import RECOMMENDATIONS, SECONDARY_VIEWS
from jobs.ranking import rank
from jobs.recommenders import list_rules
from jobs.registry import FAMILIES
from jobs.runner import close_run, open_run, run_named
from jobs.settings import REPOSITORY
from jobs.sources.config import load_sources
from tests.night.house import QUICK_JAVA, World, digests, documents, run_night


def test_the_same_date_twice_gives_the_same_digests_and_documents(world: World) -> None:
    before = digests(world)
    with world.store() as store:
        first = views.live_run(store)
    again = run_night(world.settings, world.date, force=True)
    assert digests(world) == before
    with world.store() as store:
        assert views.live_run(store) == again != first
        for view in (RECOMMENDATIONS, *SECONDARY_VIEWS):
            assert documents(store, again, view) == documents(store, first or "", view)


@pytest.mark.parametrize("point", ["before-commit", "after-commit"])
def test_a_publish_that_is_killed_leaves_one_whole_night_live_and_a_rerun_repairs(world: World, point: str) -> None:
    sources = load_sources(world.settings.sources_file)
    with world.store() as store:
        live = views.live_run(store)
        assert live is not None
        whole = documents(store, live)
    killed = open_run(world.settings, sources, world.date)
    assert _publish_in_own_process(world, killed, point) == -signal.SIGKILL
    with world.store() as store:
        now = views.live_run(store)
        assert now == (live if point == "before-commit" else killed)
        assert documents(store, now or "") == whole
        assert store.recommendations.count_documents({}) == len(whole)
        store.leases.delete_many({})  # the killed process renews no more; waiting for the lease is tested elsewhere
    # the lake is as it was: a whole rerun takes its rows over, which is looked at once
    again = run_night(world.settings, world.date, families=("publish",) if point == "before-commit" else FAMILIES)
    with world.store() as store:
        assert views.live_run(store) == again
        assert documents(store, again) == whole
        if point == "after-commit":
            assert store.publications.find_one({"_id": killed}) is not None
            jobs = store.runs.find_one({"_id": again})["jobs"]
            assert all(jobs[name]["reused"] for name in ("catalogue", "history", "mel", "collaborative", "rank"))
        else:
            assert f"recommendations__{killed}" not in store.list_collection_names()


def _publish_in_own_process(world: World, run_id: str, point: str) -> int:
    environment = {
        **os.environ,
        "PMRS_VAR": str(world.settings.var),
        "PMRS_SOURCES": str(world.settings.sources_file),
        "PMRS_MONGO_URI": world.settings.uri.get_secret_value(),
        "PMRS_MASTER": "local[2]",
        "PMRS_DRIVER_MEMORY": "2g",
        "PMRS_KILL_AT": point,
        "JDK_JAVA_OPTIONS": QUICK_JAVA,
    }
    command = [sys.executable, "-m", "jobs", "run", "publish", "--date", world.date.isoformat(), "--run-id", run_id]
    return subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, check=False, timeout=300).returncode


@pytest.mark.slow
def test_an_older_night_is_published_beside_the_live_one(world: World) -> None:
    with world.store() as store:
        live = views.live_run(store)
    metrics = world.settings.var / "metrics" / "sample.prom"
    newest = metrics.read_text()
    older = run_night(world.settings, world.date - dt.timedelta(days=1))
    assert metrics.read_text() == newest
    with world.store() as store:
        assert views.live_run(store) == live
        run = store.runs.find_one({"_id": older})
        assert run["status"] == "published"
        # equal audio, equal rows: nothing is decoded a second time for another date
        assert run["jobs"]["mel"]["reused"]
        assert run["jobs"]["genre_score"]["reused"]
        assert documents(store, older)
        told = store.quality.find_one({"_id": f"night|{older}"})
        assert (told["live"], told["findings"][0]["section"]) == (False, "top")


def test_a_second_run_of_one_date_is_refused_while_the_first_lives(world: World) -> None:
    sources = load_sources(world.settings.sources_file)
    first = open_run(world.settings, sources, world.date)
    with world.store() as store, lease.Heartbeat(store, world.date.isoformat(), first, lost=pytest.fail):
        with pytest.raises(LeaseError, match="another run"):
            run_named(world.settings, "publish", world.date, "20261114_99")
        with pytest.raises(LeaseError, match="another run"):
            open_run(world.settings, sources, world.date)
    assert close_run(world.settings, sources, first)[0] == "failed"


@pytest.mark.slow
def test_a_missing_source_stops_the_night_and_the_live_one_stays(world: World) -> None:
    with world.store() as store:
        live = views.live_run(store)
    folder = world.settings.var / "sample"
    (folder / "msd" / "genres.cls").rename(folder / "msd" / "genres.away")
    try:
        with pytest.raises(SourceError, match=r"genres\.cls"):
            run_night(world.settings, world.date)
    finally:
        (folder / "msd" / "genres.away").rename(folder / "msd" / "genres.cls")
    with world.store() as store:
        assert views.live_run(store) == live
        failed = store.runs.find_one(sort=[("started_at", -1)])
        assert failed["status"] == "failed"
        assert "genres.cls" in failed["error"]


def test_a_source_that_is_mostly_garbage_stops_the_night_and_says_so(world: World) -> None:
    labels = world.settings.var / "sample" / "msd" / "genres.cls"
    text = labels.read_bytes()
    labels.write_bytes(text + b"no label at all\n" * (text.count(b"\n") // 5))
    try:
        with pytest.raises(SourceError, match="more than 5%"):
            run_named(world.settings, "snapshots", world.date)
    finally:
        labels.write_bytes(text)


def test_the_audit_stops_a_night_that_is_not_whole(world: World) -> None:
    from jobs.publish.audit import Expected, audit

    ranked, listeners = world.table("ranked"), world.table("eligible_users")
    expected = Expected(
        listeners,
        list_rules.list_members(world.table("track_genres")),
        world.table("history").select("user_id", "track_id"),
        rank.list_limit(rank.Config()),
    )
    assert audit(ranked, expected).users == listeners.count()
    with pytest.raises(AuditError, match="shorter"):
        audit(ranked.where("NOT (list = 'overall' AND rank = 20)"), expected)
