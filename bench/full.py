"""A night of the Taste Profile's size, synthetic, from triplets to published lists: `python -m bench.full 1/8` (`make bench-full`).

One document per user: the overall top 20, each place with its reason. `python -m bench.full 1/8-genres`: every track has a genre,
and every user a top 10 of each genre as well, and there are similar tracks, artists and mixes. Every job runs in a process of its
own and is told of in bench/results/full-1_8.json when it is done, mongod's memory added to its own; run again, the jobs that are
done are passed over.
"""

import datetime as dt
import json
import os
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench.full_data import Full, full
from bench.harness import RESULTS, WORK, Stolen, machine, run_and_read
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
RECIPE = {"method": "als", "settings": {"rank": 64, "iterations": 10}}
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
    """Make what is missing, run what is left, tell all."""
    folder = WORK / f"full-{size.replace('/', '_')}"
    settings = Settings(var=folder, lake=str(folder / "lake"), master=f"local[{CORES}]", driver_memory=HEAP)
    began = time.monotonic()
    data = full(Fraction(size.removesuffix(WITH_GENRES)), folder)
    print(
        f"{data.rows:,} triplets, {data.users:,} users, {data.songs:,} songs ({time.monotonic() - began:.0f} s)",
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
                stolen = Stolen()
                took, peak = run_and_read(
                    [sys.executable, "-m", "bench.full", size, name], mongod.running_pid(embedded.paths_of(settings))
                )
                stages[name] = {
                    **took,
                    "code": code_version(),
                    "stolen": stolen.share,
                    "peak_mib": peak,
                    "disk_mib": _disk(folder),
                }
                print(
                    f"  {name}: {took['seconds']} s, {peak:,} MiB, {stolen.share:.0%} stolen",
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


def _save(result: Path, size: str, data: Full, stages: dict[str, Any], published: dict[str, Any] | None = None) -> None:
    document = {
        "bench": "full",
        "command": f"make bench-full SIZE={size}",
        "machine": machine(),
        "users": data.users,
        "songs": data.songs,
        "triplets": data.rows,
        "recipe": RECIPE,
        "stages": stages,
        "seconds": round(sum(stage["seconds"] for stage in stages.values()), 1),
        "peak_mib": max(stage["peak_mib"] for stage in stages.values()),
        "published": published,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(document, indent=1) + "\n")


def _disk(folder: Path) -> dict[str, int]:
    """MiB of the lake, and of MongoDB's files."""
    return {
        name: sum(file.stat().st_size for file in (folder / name).rglob("*") if file.is_file()) // 2**20
        for name in ("lake", "mongo")
    }


def _published(settings: Settings) -> dict[str, Any]:
    """Query the published lists as an analyst does."""
    with connect(settings, "full") as store:
        lists = store["recommendations"]
        shown = {"n": {"$size": "$items"}, "whys": "$items.why"}
        places: list[dict[str, Any]] = [{"$match": {"list": "overall"}}, {"$project": shown}]
        short = next(lists.aggregate([*places, {"$match": {"n": {"$ne": 20}}}, {"$count": "n"}]), {"n": 0})["n"]
        sample = list(lists.aggregate([places[0], {"$limit": 1_000}, places[1]]))
        named = sum(why.startswith("because you played") for one in sample for why in one["whys"])
        return {
            "documents": lists.count_documents({}),
            "overall_not_of_20_places": short,
            "places_with_a_named_reason": round(named / max(1, sum(one["n"] for one in sample)), 4),
        }


def stage(size: str, name: str) -> None:
    """One job, as `pmrs run` runs it; prints its seconds, without Spark's start."""
    folder = WORK / f"full-{size.replace('/', '_')}"
    settings = Settings(var=folder, lake=str(folder / "lake"), master=f"local[{CORES}]", driver_memory=HEAP)
    sources = load_sources(folder / "sources.toml")
    (job,) = [one for one in jobs_named(name) if one.name == name]
    began = time.monotonic()
    spark = session(f"bench {name}", settings)
    spark.range(1).count()
    started, began = time.monotonic() - began, time.monotonic()
    with connect(settings, sources.name) as store:
        run_id = runs.new_run_id(store, DATE)
        lease.take(store, DATE.isoformat(), run_id, os.getpid())
        one = Night(DATE, run_id, sources, settings, spark)
        one.models.register(RANKING, b"recipe", RECIPE)
        ctx = JobContext(one, name, one.config_of(name))
        job.load().run(ctx)
        ctx.commit()
        lease.release(store, DATE.isoformat(), run_id)
    print(json.dumps({"seconds": round(time.monotonic() - began, 1), "start_of_spark": round(started, 1)}))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        stage(sys.argv[1], sys.argv[2])
    else:
        main(sys.argv[1])
