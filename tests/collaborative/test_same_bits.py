"""Equal input gives equal tables, to the last bit, with any number of cores and under any Spark profile."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jobs.settings import REPOSITORY
from jobs.spark_profile import SparkProfile

SOURCES = """
name = "small"
genres = "pmrs7"
[[source]]
format = "taste_profile"
path = "{folder}/train_triplets.txt"
as_of = 2026-11-01
[[source]]
format = "msd_unique_tracks"
path = "{folder}/unique_tracks.txt"
"""
NIGHT = """
import datetime as dt, json, sys
from pathlib import Path
from jobs.recommenders import als_blocks
from jobs.recommenders.ranker_config import RANKING
from jobs.context import JobContext, Night
from jobs.registry import JOBS
from jobs.settings import Settings
from jobs.sources.config import load_sources
from jobs.spark import session
from models import ials

folder, var, cores = sys.argv[1:]
settings = Settings(var=Path(var), master=f"local[{cores}]", driver_memory="2g")
spark = session("same bits", settings, {"spark.sql.files.maxPartitionBytes": "64k"})
night = Night(dt.date(2026, 11, 14), "r", load_sources(Path(folder) / "sources.toml"), settings, spark)
digests = {}
# several blocks per thread and several tasks per core
ials.BLOCK_INTERACTIONS = 700

def run(names, label, **config):
    for job in JOBS:
        if job.name in names:
            own = config if job.name == "candidates" else {}
            ctx = JobContext(night, job.name, job.load().Config(**own))
            job.load().run(ctx)
            digests.update({label + manifest.table: (manifest.rows, manifest.digest) for manifest in ctx.commit()})

before = {"snapshots", "catalogue", "history", "mel", "genre_score", "classify"}
run(before | {"collaborative", "candidates", "content", "artists", "rank"}, "", users_per_task=60)
night.models.register(RANKING, b"als", {"method": "als", "settings": {"rank": 16, "iterations": 3}})
run({"collaborative", "candidates"}, "als ", users_per_task=60, per_genre=0)
# as if the interactions did not fit into the driver
als_blocks.INTERACTION_BYTES = 2**40
run({"collaborative", "candidates"}, "als in tasks ", users_per_task=60, per_genre=0)
print(json.dumps(digests))
"""


def tables(folder: Path, cores: int, profile: SparkProfile) -> dict[str, tuple[int, str]]:
    """Return rows and digest of every table of a night, computed by a new Spark process."""
    command = [sys.executable, "-c", NIGHT, str(folder), str(folder / f"var-{cores}-{profile}"), str(cores)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PMRS_SPARK_PROFILE": profile.value}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    digests: dict[str, tuple[int, str]] = json.loads(done.stdout.splitlines()[-1])
    return digests


@pytest.mark.slow
def test_cores_and_the_spark_profile_change_no_digest(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    songs = rng.zipf(1.4, (400, 30)) % 300
    rows = {(user, song): rng.geometric(0.4) for user, line in enumerate(songs) for song in line}
    triplets = "".join(f"{user:040x}\tSO{song:016X}\t{plays}\n" for (user, song), plays in rows.items())
    (tmp_path / "train_triplets.txt").write_text(triplets)
    tracks = "".join(f"TR{song:016X}<SEP>SO{song:016X}<SEP>Artist {song % 7}<SEP>Song {song}\n" for song in range(300))
    (tmp_path / "unique_tracks.txt").write_text(tracks)
    (tmp_path / "sources.toml").write_text(SOURCES.format(folder=tmp_path))
    one, three = tables(tmp_path, 1, SparkProfile.SMALL), tables(tmp_path, 3, SparkProfile.LOCAL)
    assert one["ranked"][0] == 400 * 20
    assert min(one[name][0] for name in ("similar_tracks", "similar_artists", "artist_radio", "daily_mixes")) > 0
    assert one == three
    for name in ("item_factors", "user_factors", "candidates"):
        assert one[f"als {name}"] == one[f"als in tasks {name}"]
