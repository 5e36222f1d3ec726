"""The list of jobs, in the order data flows. A family is what one spark-submit runs; the DAG starts one after the other."""

import importlib
from dataclasses import dataclass
from types import ModuleType

from jobs.errors import PmrsError

LISTS = ("candidates", "candidate_fingerprints")
ARTIST_LEVEL = ("similar_tracks", "similar_artists", "artist_radio", "daily_mixes")
FAMILIES = ("ingest", "prepare", "audio", "genre", "recommend", "publish")


@dataclass(frozen=True)
class Job:
    """One job: `module` holds its docstring, `Config`, pure `build_x` functions and `run(ctx)`."""

    name: str
    family: str
    module: str
    title: str
    writes: tuple[str, ...] = ()
    reusable: bool = True
    """Its rows depend on its manifest's inputs alone, so that equal inputs need no second computation."""

    def load(self) -> ModuleType:
        """Import the job's module when it is first run: `pmrs jobs` does not import torch."""
        return importlib.import_module(self.module)


JOBS = (
    Job("events", "ingest", "jobs.sources.ingest.events", "Timed logs to events, by received date", reusable=False),
    Job("snapshots", "ingest", "jobs.sources.ingest.snapshots", "Catalogue, labels, counts, profiles, audio files", reusable=False),
    Job("forget", "ingest", "jobs.erasure.erase", "Whoever asked to be forgotten leaves older nights too", reusable=False),
    Job("catalogue", "prepare", "jobs.catalogue.tracks", "One truth per track", ("tracks", "song_tracks", "join_drops/catalogue")),
    Job("history", "prepare", "jobs.history.history", "H_U as of the date", ("history", "eligible_users", "join_drops/history")),
    Job("mel", "audio", "jobs.audio.mel", "New audio to log-mel clips, both presets", ("track_clips", "quarantine/mel")),
    Job("descriptors", "audio", "jobs.audio.descriptors", "New audio described", ("track_descriptors", "quarantine/descriptors")),
    Job("text_vectors", "genre", "jobs.text.vectors", "What is written, as vectors", reusable=False),
    Job("genre_train", "genre", "jobs.genre.train", "Train the genre model where none is registered", reusable=False),
    Job("genre_score", "genre", "jobs.genre.score", "Genre probabilities per track", ("genre_scores",)),
    Job("classify", "genre", "jobs.genre.classify", "A genre for every track, and its source", ("track_genres",)),
    Job("collaborative", "recommend", "jobs.collaborative.factors", "Factors of the recipe", ("item_factors", "user_factors")),
    Job("candidates", "recommend", "jobs.collaborative.candidates", "Unheard tracks per user", LISTS),
    Job("content", "recommend", "jobs.content.candidates", "Unplayed tracks", ("content_factors", "content_candidates")),
    Job("rank", "recommend", "jobs.ranking.rank", "Top-N lists with reasons", ("ranked",)),
    Job("artists", "recommend", "jobs.artists.artists", "Similar artists and tracks, radio, daily mixes", ARTIST_LEVEL),
    Job("publish", "publish", "jobs.publish.night", "Audit the lists and make the night live", reusable=False),
    Job("quality", "publish", "jobs.evaluate.nightly", "Last night's lists and the day", ("quality", "genre_confidence")),
    Job("report", "publish", "jobs.report.night", "The night's HTML report", reusable=False),
)


def jobs_named(name: str) -> list[Job]:
    """Return the job of this name, or all jobs of the family. Raises PmrsError, which names the command that lists them."""
    # `publish` names both; the family wins, for a published night without its report is half a night.
    jobs = [job for job in JOBS if job.family == name] or [job for job in JOBS if job.name == name]
    if not jobs:
        raise PmrsError(f"There is no job or family {name!r}; `pmrs jobs` lists them.")
    return jobs
