"""Run a synthetic night of the Taste Profile's size, from triplets to published lists: `python -m bench.full 1/8`.

The night publishes one document per user: the overall top 20 with reasons. With `1/8-genres` every track has a genre; the night
also publishes a top 10 of each genre per user, similar tracks and artists, and mixes. Each job runs in a process of its own. When
it ends, its figures are added to bench/results/full-1_8.json; its memory includes mongod's. A second run skips finished jobs.
"""

import datetime as dt
import json
import os
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench.full_data import FullData, full_data
from bench.harness import RESULTS, WORK, StealTime, machine, run_and_read
from jobs.code_version import code_version
from jobs.context import JobContext, Night
from jobs.mongo import embedded, lease, mongod, runs
from jobs.mongo.connection import connect
from jobs.recommenders.ranker_config import RANKING
from jobs.registry import jobs_named
from jobs.settings import Settings
from jobs.sources.config import load_sources
from jobs.spark import session

DATE = dt.date(2026, 11, 14)
JOBS = (
    "snapshots", "catalogue", "history", "mel", "descriptors", "genre_score", "classify", "collaborative", "candidates",
    "content", "rank", "artists", "publish",
)  # fmt: skip
RANKER = {"method": "als", "settings": {"rank": 64, "iterations": 10}}
SOURCES = """name = "full"
genres = "pmrs7"

[[source]]
format = "taste_profile"
path = "{triplets}"
as_of = 2026-11-01

[[source]]
format = "msd_unique_tracks"
path = "{tracks}"
"""
LABELS = """
[[source]]
format = "genre_labels"
path = "{labels}"
"""
OVERALL_ONLY = """
[jobs.rank]
per_genre = 0

[jobs.artists]
neighbors = 0
"""
WITH_GENRES = "-genres"
CORES, HEAP = 2, "8g"


def main(size: str) -> None:
    """Generate missing input, run the remaining jobs and print the total time."""
    folder = WORK / f"full-{size.replace('/', '_')}"
    settings = Settings(var=folder, lake=str(folder / "lake"), master=f"local[{CORES}]", driver_memory=HEAP)
    start = time.monotonic()
    data = full_data(Fraction(size.removesuffix(WITH_GENRES)), folder)
    print(
        f"{data.rows:,} triplets, {data.users:,} users, {data.songs:,} songs ({time.monotonic() - start:.0f} s)",
        file=sys.stderr,
    )
    sources = SOURCES + (LABELS if size.endswith(WITH_GENRES) else OVERALL_ONLY)
    (folder / "sources.toml").write_text(sources.format(**vars(data)))
    result = RESULTS / f"full-{size.replace('/', '_')}.json"
    document: dict[str, Any] = json.loads(result.read_text()) if result.exists() else {}
    stages: dict[str, Any] = document.get("stages", {}) if (folder / "lake").exists() else {}
    embedded.start(settings)
    try:
        for name in JOBS:
            if name not in stages:
                steal = StealTime()
                figures, peak = run_and_read(
                    [sys.executable, "-m", "bench.full", size, name], mongod.running_pid(embedded.paths_of(settings))
                )
                stages[name] = {
                    **figures,
                    "code": code_version(),
                    "stolen": steal.share,
                    "peak_mib": peak,
                    "disk_mib": _disk(folder),
                }
                print(
                    f"  {name}: {figures['seconds']} s, {peak:,} MiB, {steal.share:.0%} stolen",
                    file=sys.stderr,
                    flush=True,
                )
                _save(result, size, data, stages)
        published = _published(settings)
    finally:
        embedded.stop(settings)
    _save(result, size, data, stages, published)
    total = sum(stage["seconds"] for stage in stages.values())
    print(f"from triplets to published lists: {total / 60:.1f} min; {published}")


def _save(result: Path, size: str, data: FullData, stages: dict[str, Any], published: dict[str, Any] | None = None) -> None:
    document = {
        "bench": "full",
        "command": f"make bench-full SIZE={size}",
        "machine": machine(),
        "users": data.users,
        "songs": data.songs,
        "triplets": data.rows,
        "recipe": RANKER,
        "stages": stages,
        "seconds": round(sum(stage["seconds"] for stage in stages.values()), 1),
        "peak_mib": max(stage["peak_mib"] for stage in stages.values()),
        "published": published,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(document, indent=1) + "\n")


def _disk(folder: Path) -> dict[str, int]:
    """Return the MiB of the lake and of MongoDB's files."""
    return {
        name: sum(file.stat().st_size for file in (folder / name).rglob("*") if file.is_file()) // 2**20
        for name in ("lake", "mongo")
    }


def _published(settings: Settings) -> dict[str, Any]:
    """Query the published lists as an analyst does."""
    with connect(settings, "full") as store:
        lists = store["recommendations"]
        overall: dict[str, Any] = {"$match": {"list": "overall"}}
        fields: dict[str, Any] = {"$project": {"n": {"$size": "$items"}, "whys": "$items.why"}}
        short = next(lists.aggregate([overall, fields, {"$match": {"n": {"$ne": 20}}}, {"$count": "n"}]), {"n": 0})["n"]
        sample = list(lists.aggregate([overall, {"$limit": 1_000}, fields]))
        with_track = sum(why.startswith("because you played") for document in sample for why in document["whys"])
        return {
            "documents": lists.count_documents({}),
            "overall_not_of_20_places": short,
            "places_with_a_named_reason": round(with_track / max(1, sum(document["n"] for document in sample)), 4),
        }


def stage(size: str, name: str) -> None:
    """Run one job like `pmrs run`, and print its seconds and those of Spark's start."""
    folder = WORK / f"full-{size.replace('/', '_')}"
    settings = Settings(var=folder, lake=str(folder / "lake"), master=f"local[{CORES}]", driver_memory=HEAP)
    sources = load_sources(folder / "sources.toml")
    (job,) = [job for job in jobs_named(name) if job.name == name]
    start = time.monotonic()
    spark = session(f"bench {name}", settings)
    spark.range(1).count()
    started, start = time.monotonic() - start, time.monotonic()
    with connect(settings, sources.name) as store:
        run_id = runs.new_run_id(store, DATE)
        lease.take(store, DATE.isoformat(), run_id, os.getpid())
        night = Night(DATE, run_id, sources, settings, spark)
        night.models.register(RANKING, b"recipe", RANKER)
        ctx = JobContext(night, name, night.config_of(name))
        job.load().run(ctx)
        ctx.commit()
        lease.release(store, DATE.isoformat(), run_id)
    print(json.dumps({"seconds": round(time.monotonic() - start, 1), "start_of_spark": round(started, 1)}))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        stage(sys.argv[1], sys.argv[2])
    else:
        main(sys.argv[1])
