"""Generate the sample: `pmrs sample [--days 14] [--seed 7] [--out var/sample]`."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from jobs.atomic_io import write_atomic
from jobs.errors import SourceError
from jobs.progress import ProgressCallback, ignore_progress
from jobs.sample.app_log import Garbage, write_app_log
from jobs.sample.audio_files import write_audio
from jobs.sample.audio_plan import plan_audio
from jobs.sample.catalogue import make_catalogue
from jobs.sample.config import SampleConfig
from jobs.sample.corruption import delay_events, duplicate_events
from jobs.sample.events import make_deletion_requests, make_events
from jobs.sample.msd_files import write_msd
from jobs.sample.tastes import make_tastes
from jobs.sample.truth import World, truth
from jobs.sample.user_files import make_counts, write_counts, write_profiles
from jobs.sample.users import make_users

SOURCES = (
    ("app_log", "app_log"),
    ("taste_profile", "taste_profile/train_triplets.txt"),
    ("msd_h5", "msd/summary.h5"),
    ("msd_unique_tracks", "msd/unique_tracks.txt"),
    ("msd_mismatches", "msd/sid_mismatches.txt"),
    ("msd_unique_artists", "msd/unique_artists.txt"),
    ("msd_artist_terms", "msd/artist_term.csv"),
    ("genre_labels", "msd/genres.cls"),
    ("user_profiles", "users/userid-profile.tsv"),
    ("audio_tree", "audio"),
)


def generate(
    out: Path, days: int = 14, seed: int = 7, on_progress: ProgressCallback = ignore_progress, cfg: SampleConfig | None = None
) -> None:
    """Generate the sample in `out`, replacing a sample that is there; `days` and `seed` override those of `cfg`.

    Raises SourceError if `out` is a folder with other content, or `days` is less than 4.
    """
    if days < 4:
        raise SourceError(f"A sample of {days} days is too short for its hot waves and late events: use 4 or more.")
    prepare_folder(out)
    world = make_world(replace(cfg or SampleConfig(), days=days, seed=seed), on_progress)
    bad = write_tables(out, world, on_progress)
    write_audio(out, world.plan.files, seed, world.cfg.processes, lambda n, m: on_progress("audio", n, m))
    truth_json = json.dumps(truth(world, bad), ensure_ascii=False, indent=1)
    (out / "truth.json").write_text(truth_json + "\n", encoding="utf-8")
    write_atomic(out / "sources.toml", sources_toml(world.cfg))  # last: marks the sample as complete


def prepare_folder(out: Path) -> None:
    """Empty `out` if it has a sample (complete or not); create it otherwise."""
    marker = out / ".pmrs-sample"
    if out.exists() and any(out.iterdir()) and not marker.exists():
        raise SourceError(f"{out} holds something that is not a sample: name an empty or a new folder.")
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    marker.write_text("This folder is made and emptied by `pmrs sample`.\n")


def make_world(cfg: SampleConfig, on_progress: ProgressCallback) -> World:
    """Generate everything but the files."""
    on_progress("catalogue", 0, 1)
    catalogue = make_catalogue(cfg)
    plan = plan_audio(cfg, catalogue)
    on_progress("catalogue", 1, 1)
    on_progress("listening", 0, 1)
    users = make_users(cfg, catalogue)
    tastes = make_tastes(cfg, catalogue, plan)
    events = make_events(cfg, catalogue, users, tastes)
    log = delay_events(cfg, events + make_deletion_requests(cfg, events))
    counts = make_counts(cfg, catalogue, users, tastes)
    on_progress("listening", 1, 1)
    return World(cfg, catalogue, plan, users, tastes, counts, log, duplicate_events(cfg, log.events))


def write_tables(out: Path, world: World, on_progress: ProgressCallback) -> list[Garbage]:
    """Write all files except audio and ground truth; return the positions of their garbage."""
    cfg = world.cfg
    on_progress("files", 0, 4)
    bad = write_app_log(out, cfg, world.log.events + world.repeated)
    on_progress("files", 1, 4)
    deleted_users = {user.user_id for user in world.users if user.deleted_on >= 0}
    bad += write_counts(out, cfg, world.counts, deleted_users)
    on_progress("files", 2, 4)
    bad += write_msd(out, cfg, world.catalogue, world.plan)
    on_progress("files", 3, 4)
    bad += write_profiles(out, cfg, world.users)
    on_progress("files", 4, 4)
    return bad


def sources_toml(cfg: SampleConfig) -> str:
    """Return the sources file of the sample."""
    text = 'name = "sample"\ngenres = "pmrs7"\nsynthetic = true\n'
    for format, path in SOURCES:
        text += f'\n[[source]]\nformat = "{format}"\npath = "{path}"\n'
        if format == "taste_profile":
            text += f"as_of = {cfg.first_date - timedelta(days=1)}\n"
    return text
