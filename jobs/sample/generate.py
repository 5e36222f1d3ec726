"""Makes the sample: `pmrs sample [--days 14] [--seed 7] [--out var/sample]`."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from jobs.errors import SourceError
from jobs.sample.app_log import Garbage, write_app_log
from jobs.sample.audio_files import write_audio
from jobs.sample.audio_plan import plan_audio
from jobs.sample.catalogue import make_catalogue
from jobs.sample.config import SampleConfig
from jobs.sample.events import deletion_wishes, make_events
from jobs.sample.faults import delay, repeat
from jobs.sample.listeners import make_listeners
from jobs.sample.msd_files import write_msd
from jobs.sample.tastes import make_tastes
from jobs.sample.truth import World, truth
from jobs.sample.user_files import make_counts, write_counts, write_profiles

Progress = Callable[[str, int, int], None]
"""Called with what is being made, how much is done, and how much there is."""

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


def quiet(what: str, done: int, total: int) -> None:
    """Progress for nobody."""


def generate(
    out: Path, days: int = 14, seed: int = 7, progress: Progress = quiet, cfg: SampleConfig | None = None
) -> None:
    """Writes the sample into `out`, replacing a sample that lies there; `days` and `seed` win over `cfg`'s.

    Raises SourceError where `out` is a folder with other things in it, or `days` is below 4.
    """
    if days < 4:
        raise SourceError(f"A sample of {days} days is too short for its hot waves and late events: use 4 or more.")
    make_room(out)
    world = make_world(replace(cfg or SampleConfig(), days=days, seed=seed), progress)
    bad = write_tables(out, world, progress)
    write_audio(out, world.plan.files, seed, world.cfg.processes, lambda n, m: progress("audio", n, m))
    known = json.dumps(truth(world, bad), ensure_ascii=False, indent=1)
    (out / "truth.json").write_text(known + "\n", encoding="utf-8")
    (out / "sources.toml").write_text(sources_toml(world.cfg), encoding="utf-8")  # last: says the sample is whole


def make_room(out: Path) -> None:
    """Empties `out` if it holds a sample (whole or begun), creates it otherwise."""
    marker = out / ".pmrs-sample"
    if out.exists() and any(out.iterdir()) and not marker.exists():
        raise SourceError(f"{out} holds something that is not a sample: name an empty or a new folder.")
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    marker.write_text("This folder is made and emptied by `pmrs sample`.\n")


def make_world(cfg: SampleConfig, progress: Progress) -> World:
    """Everything but the files."""
    progress("catalogue", 0, 1)
    catalogue = make_catalogue(cfg)
    plan = plan_audio(cfg, catalogue)
    progress("catalogue", 1, 1)
    progress("listening", 0, 1)
    listeners = make_listeners(cfg, catalogue)
    tastes = make_tastes(cfg, catalogue, plan)
    events = make_events(cfg, catalogue, listeners, tastes)
    log = delay(cfg, events + deletion_wishes(cfg, events))
    counts = make_counts(cfg, catalogue, listeners, tastes)
    progress("listening", 1, 1)
    return World(cfg, catalogue, plan, listeners, tastes, counts, log, repeat(cfg, log.events))


def write_tables(out: Path, world: World, progress: Progress) -> list[Garbage]:
    """All files but audio and truth; returns where their garbage lies."""
    cfg = world.cfg
    progress("files", 0, 4)
    bad = write_app_log(out, cfg, world.log.events + world.repeated)
    progress("files", 1, 4)
    forgotten = {user.user_id for user in world.listeners if user.deleted_on >= 0}
    bad += write_counts(out, cfg, world.counts, forgotten)
    progress("files", 2, 4)
    bad += write_msd(out, cfg, world.catalogue, world.plan)
    progress("files", 3, 4)
    bad += write_profiles(out, cfg, world.listeners)
    progress("files", 4, 4)
    return bad


def sources_toml(cfg: SampleConfig) -> str:
    """The sources file of the sample."""
    text = 'name = "sample"\ngenres = "pmrs7"\nsynthetic = true\n'
    for format, path in SOURCES:
        text += f'\n[[source]]\nformat = "{format}"\npath = "{path}"\n'
        if format == "taste_profile":
            text += f"as_of = {cfg.first_date - timedelta(days=1)}\n"
    return text
