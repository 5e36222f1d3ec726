"""The command line as an operator meets it: a process, its exit status, and one sentence where something is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.settings import REPOSITORY
from tests.night.house import QUICK_JAVA, World


def pmrs(world: World, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    own = {
        "PMRS_VAR": str(world.settings.var),
        "PMRS_SOURCES": str(world.settings.sources_file),
        "PMRS_MONGO_URI": world.settings.uri.get_secret_value(),
        "PMRS_MONGO_TIMEOUT_MS": "1500",
        "PMRS_MASTER": "local[2]",
        "JDK_JAVA_OPTIONS": QUICK_JAVA,
        **environment,
    }
    command = [sys.executable, "-m", "jobs", *arguments]
    return subprocess.run(
        command, env={**os.environ, **own}, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300
    )


def one_sentence(done: "subprocess.CompletedProcess[str]") -> str:
    """What an error must be: a non-zero exit, one line for people, no traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("pmrs: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.fixture
def user(world: World) -> str:
    with world.store() as store:
        return str(store.recommendations.find_one({"list": "overall", "items.tier": "personal"})["user_id"])


def test_top_shows_a_list_with_reasons(world: World, user: str) -> None:
    shown = pmrs(world, "top", user)
    assert shown.returncode == 0
    assert "because you played" in shown.stdout
    found = json.loads(pmrs(world, "top", user, "--genre", "Rock", "--json").stdout)
    assert found["list"] == "Rock"
    assert {item["genre"] for item in found["items"]} == {"Rock"}


def test_runs_has_exactly_one_live(world: World) -> None:
    found = json.loads(pmrs(world, "runs", "--json").stdout)
    assert {"run_id", "date", "status", "live"} == set(found[0])
    assert sum(run["live"] for run in found) == 1


def test_unknown_user_and_list_are_named(world: World, user: str) -> None:
    assert "nobody-at-all" in one_sentence(pmrs(world, "top", "nobody-at-all"))
    assert "Rock" in one_sentence(pmrs(world, "top", user, "--genre", "Polka"))


def test_track_shows_a_track_and_leaves_a_page(world: World, tmp_path: Path) -> None:
    wanted, page = world.truth["unplayed_audio"][0], tmp_path / "one.html"
    shown = pmrs(world, "track", wanted, "--date", world.date.isoformat(), "--html", str(page))
    assert shown.returncode == 0, shown.stderr[-2000:]
    assert "the genre model's prediction from its audio" in shown.stdout
    assert "tempo" in shown.stdout
    assert f"Page: {page}" in shown.stdout
    assert "data:image/png" in page.read_text()
    assert f"did you mean {wanted}?" in one_sentence(pmrs(world, "track", wanted.lower()))


def test_a_date_without_data_is_named(world: World) -> None:
    assert "2030-01-01" in one_sentence(pmrs(world, "run", "ingest", "--date", "2030-01-01"))
    assert "2020-01-01" in one_sentence(pmrs(world, "run", "ingest", "--date", "2020-01-01"))
    assert "not a date" in one_sentence(pmrs(world, "run", "ingest", "--date", "yesterday"))


def test_an_unknown_job_is_named(world: World) -> None:
    assert "nonsense" in one_sentence(pmrs(world, "run", "nonsense", "--date", "2026-11-14"))


def test_a_mongodb_that_does_not_answer_is_named_without_its_password(world: World) -> None:
    said = one_sentence(pmrs(world, "runs", PMRS_MONGO_URI="mongodb://me:secret@127.0.0.1:9/?authSource=admin"))
    assert "127.0.0.1:9" in said
    assert "secret" not in said
