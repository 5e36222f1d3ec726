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
    """One job: `module` holds its docstring, pure `build_x` functions and `run(ctx)`."""

    name: str
    family: str
    module: str
    title: str
    writes: tuple[str, ...] = ()
    reusable: bool = True
    """Its rows depend on its manifest's inputs alone, so that equal inputs need no second computation."""
    config: str = "jobs.job_config:NoSettings"
    """Module and class of its settings. The module loads without Spark and torch: the settings tell whether rows can be
    reused, and a job whose rows are reused is not imported."""

    def load(self) -> ModuleType:
        """Import the job's module when it is first run: `pmrs jobs` does not import torch."""
        return importlib.import_module(self.module)

    def config_class(self) -> type:
        """Import the class of the job's settings, without the job's module."""
        module, _, name = self.config.partition(":")
        settings: type = getattr(importlib.import_module(module), name)
        return settings


JOBS = (
    Job("events", "ingest", "jobs.sources.ingest.events", "Timed logs to events, by received date", reusable=False),
    Job("snapshots", "ingest", "jobs.sources.ingest.snapshots", "Catalogue, labels, counts, profiles, audio files", reusable=False),
    Job("forget", "ingest", "jobs.erasure.erase", "Whoever asked to be forgotten leaves older nights too", reusable=False),
    Job("catalogue", "prepare", "jobs.catalogue.tracks", "One truth per track", ("tracks", "song_tracks", "join_drops/catalogue")),
    Job("history", "prepare", "jobs.history.history", "H_U as of the date", ("history", "eligible_users", "join_drops/history"),
        config="jobs.history.config:HistoryConfig"),
    Job("mel", "audio", "jobs.audio.mel", "New audio to log-mel clips, both presets", ("track_clips", "quarantine/mel"),
        config="jobs.audio.config:MelConfig"),
    Job("descriptors", "audio", "jobs.audio.descriptors", "New audio described", ("track_descriptors", "quarantine/descriptors"),
        config="jobs.audio.config:DescriptorsConfig"),
    Job("text_vectors", "genre", "jobs.text.vectors", "What is written, as vectors", reusable=False,
        config="jobs.text.config:TextVectorsConfig"),
    Job("genre_train", "genre", "jobs.genre.train", "Train the genre model where none is registered", reusable=False,
        config="jobs.genre.config:GenreTrainConfig"),
    Job("genre_score", "genre", "jobs.genre.score", "Genre probabilities per track", ("genre_scores",),
        config="jobs.genre.config:GenreScoreConfig"),
    Job("classify", "genre", "jobs.genre.classify", "A genre for every track, and its source", ("track_genres",)),
    Job("collaborative", "recommend", "jobs.collaborative.factors", "Factors of the recipe", ("item_factors", "user_factors"),
        config="jobs.collaborative.config:CollaborativeConfig"),
    Job("candidates", "recommend", "jobs.collaborative.candidates", "Unheard tracks per user", LISTS,
        config="jobs.collaborative.config:CandidatesConfig"),
    Job("content", "recommend", "jobs.content.candidates", "Unplayed tracks", ("content_factors", "content_candidates"),
        config="jobs.content.config:ContentConfig"),
    Job("rank", "recommend", "jobs.ranking.rank", "Top-N lists with reasons", ("ranked",),
        config="jobs.ranking.config:RankConfig"),
    Job("artists", "recommend", "jobs.artists.artists", "Similar artists and tracks, radio, daily mixes", ARTIST_LEVEL,
        config="jobs.artists.config:ArtistsConfig"),
    Job("publish", "publish", "jobs.publish.night", "Audit the lists and make the night live", reusable=False,
        config="jobs.publish.config:PublishConfig"),
    Job("quality", "publish", "jobs.evaluate.nightly", "Last night's lists and the day", ("quality", "genre_confidence"),
        config="jobs.evaluate.config:QualityConfig"),
    Job("report", "publish", "jobs.report.night", "The night's HTML report", reusable=False,
        config="jobs.report.config:ReportConfig"),
)  # fmt: skip


def jobs_named(name: str) -> list[Job]:
    """Return the job of this name, or all jobs of the family. Raises PmrsError, which names the command that lists them."""
    # `publish` names both; the family wins, for a published night without its report is half a night.
    jobs = [job for job in JOBS if job.family == name] or [job for job in JOBS if job.name == name]
    if not jobs:
        raise PmrsError(f"There is no job or family {name!r}; `pmrs jobs` lists them.")
    return jobs
