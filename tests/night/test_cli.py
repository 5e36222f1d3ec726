"""The command line as a process: exit status, output, and one line of error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.settings import REPOSITORY
from tests.night.published_night import QUICK_JAVA, PublishedNight


def pmrs(published: PublishedNight, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    settings = {
        "PMRS_VAR": str(published.settings.var),
        "PMRS_SOURCES": str(published.settings.sources_file),
        "PMRS_MONGO_URI": published.settings.uri.get_secret_value(),
        "PMRS_MONGO_TIMEOUT_MS": "1500",
        "PMRS_MASTER": "local[2]",
        "JDK_JAVA_OPTIONS": QUICK_JAVA,
        **environment,
    }
    command = [sys.executable, "-m", "jobs", *arguments]
    return subprocess.run(
        command, env={**os.environ, **settings}, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300
    )


def error_line(done: "subprocess.CompletedProcess[str]") -> str:
    """Check that a command failed without a traceback, and return its one line of error."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("pmrs: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.fixture
def user(published: PublishedNight) -> str:
    with published.store() as store:
        return str(store.recommendations.find_one({"list": "overall", "items.tier": "personal"})["user_id"])


def test_top_prints_a_list_with_reasons(published: PublishedNight, user: str) -> None:
    result = pmrs(published, "top", user)
    assert result.returncode == 0
    assert "because you played" in result.stdout
    document = json.loads(pmrs(published, "top", user, "--genre", "Rock", "--json").stdout)
    assert document["list"] == "Rock"
    assert {item["genre"] for item in document["items"]} == {"Rock"}


def test_runs_prints_exactly_one_live_run(published: PublishedNight) -> None:
    runs = json.loads(pmrs(published, "runs", "--json").stdout)
    assert {"run_id", "date", "status", "live"} == set(runs[0])
    assert sum(run["live"] for run in runs) == 1


def test_unknown_user_or_list_fails_with_its_name(published: PublishedNight, user: str) -> None:
    assert "nobody-at-all" in error_line(pmrs(published, "top", "nobody-at-all"))
    assert "Rock" in error_line(pmrs(published, "top", user, "--genre", "Polka"))


def test_track_prints_details_and_writes_a_page(published: PublishedNight, tmp_path: Path) -> None:
    track, page = published.truth["unplayed_audio"][0], tmp_path / "one.html"
    result = pmrs(published, "track", track, "--date", published.date.isoformat(), "--html", str(page))
    assert result.returncode == 0, result.stderr[-2000:]
    assert "the genre model's prediction from its audio" in result.stdout
    assert "tempo" in result.stdout
    assert f"Page: {page}" in result.stdout
    assert "data:image/png" in page.read_text()


def test_invalid_date_or_date_without_data_fails_with_it(published: PublishedNight) -> None:
    assert "2030-01-01" in error_line(pmrs(published, "run", "ingest", "--date", "2030-01-01"))
    assert "2020-01-01" in error_line(pmrs(published, "run", "ingest", "--date", "2020-01-01"))
    assert "not a date" in error_line(pmrs(published, "run", "ingest", "--date", "yesterday"))


def test_unknown_job_fails_with_its_name(published: PublishedNight) -> None:
    assert "nonsense" in error_line(pmrs(published, "run", "nonsense", "--date", "2026-11-14"))


def test_unreachable_mongodb_fails_with_its_address_without_the_password(published: PublishedNight) -> None:
    message = error_line(pmrs(published, "runs", PMRS_MONGO_URI="mongodb://me:secret@127.0.0.1:9/?authSource=admin"))
    assert "127.0.0.1:9" in message
    assert "secret" not in message
