"""The list of jobs, in the order of the data flow. One spark-submit runs a family; the DAG runs families in order."""

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
    """Its rows depend on its manifest's inputs alone, so that rows of equal inputs are reused."""
    config: str = "jobs.job_config:NoSettings"
    """Module and class of its settings. The module loads without Spark and torch: the settings tell whether rows can be
    reused, and a job whose rows are reused is not imported."""

    def load(self) -> ModuleType:
        """Import and return the job's module. It is imported on the first run only: `pmrs jobs` does not import torch."""
        return importlib.import_module(self.module)

    def config_class(self) -> type:
        """Import the class of the job's settings, without the job's module."""
        module, _, name = self.config.partition(":")
        settings: type = getattr(importlib.import_module(module), name)
        return settings


JOBS = (
    Job("events", "ingest", "jobs.sources.ingest.events", "Ingest timed logs into events", reusable=False),
    Job(
        "snapshots", "ingest", "jobs.sources.ingest.snapshots", "Ingest catalogue, labels, counts, profiles and audio files",
        reusable=False,
    ),
    Job("erase", "ingest", "jobs.erasure.erase", "Apply deletion requests to older nights", reusable=False),
    Job(
        "catalogue", "prepare", "jobs.catalogue.tracks", "Merge the sources' descriptions of each track",
        ("tracks", "song_tracks", "join_drops/catalogue"),
    ),
    Job(
        "history", "prepare", "jobs.history.history", "Compute users' histories and ratings",
        ("history", "eligible_users", "join_drops/history"), config="jobs.history.config:HistoryConfig",
    ),
    Job(
        "mel", "audio", "jobs.audio.mel", "Convert new audio to log-mel clips",
        ("track_clips", "quarantine/mel"), config="jobs.audio.config:MelConfig",
    ),
    Job(
        "descriptors", "audio", "jobs.audio.descriptors", "Compute descriptors of new audio",
        ("track_descriptors", "quarantine/descriptors"), config="jobs.audio.config:DescriptorsConfig",
    ),
    Job(
        "text_vectors", "genre", "jobs.text.vectors", "Encode texts about tracks and users",
        reusable=False, config="jobs.text.config:TextVectorsConfig",
    ),
    Job(
        "pretrained", "genre", "jobs.embeddings.pretrained", "Register the pretrained audio network", reusable=False,
    ),
    Job(
        "embeddings", "genre", "jobs.embeddings.embeddings", "Compute embeddings and tags of new audio",
        ("track_embeddings",), config="jobs.embeddings.config:EmbeddingsConfig",
    ),
    Job(
        "genre_train", "genre", "jobs.genre.train", "Train the genre model if none is registered",
        reusable=False, config="jobs.genre.config:GenreTrainConfig",
    ),
    Job(
        "genre_score", "genre", "jobs.genre.score", "Compute genre probabilities of tracks with audio",
        ("genre_scores",), config="jobs.genre.config:GenreScoreConfig",
    ),
    Job(
        "classify", "genre", "jobs.genre.classify", "Choose each track's genre and record its source",
        ("track_genres",),
    ),
    Job(
        "collaborative", "recommend", "jobs.collaborative.factors", "Fit the ranker's factors",
        ("item_factors", "user_factors"), config="jobs.collaborative.config:CollaborativeConfig",
    ),
    Job(
        "candidates", "recommend", "jobs.collaborative.candidates", "Score unseen tracks for each user",
        LISTS, config="jobs.collaborative.config:CandidatesConfig",
    ),
    Job(
        "content", "recommend", "jobs.content.candidates", "Recommend tracks without plays by their audio",
        ("content_factors", "content_candidates"), config="jobs.content.config:ContentConfig",
    ),
    Job(
        "rank", "recommend", "jobs.ranking.rank", "Build top-N lists with reasons",
        ("ranked",), config="jobs.ranking.config:RankConfig",
    ),
    Job(
        "artists", "recommend", "jobs.artists.artists", "Compute similar tracks and artists, radios and daily mixes",
        ARTIST_LEVEL, config="jobs.artists.config:ArtistsConfig",
    ),
    Job(
        "publish", "publish", "jobs.publish.night", "Audit the lists and make the night live",
        reusable=False, config="jobs.publish.config:PublishConfig",
    ),
    Job(
        "quality", "publish", "jobs.evaluate.nightly", "Evaluate last night's lists on the day's plays",
        ("quality", "genre_confidence"), config="jobs.evaluate.config:QualityConfig",
    ),
    Job(
        "report", "publish", "jobs.report.night", "Write the night's HTML report",
        reusable=False, config="jobs.report.config:ReportConfig",
    ),
)


def jobs_named(name: str) -> list[Job]:
    """Return the job of this name, or all jobs of the family. Raises PmrsError for an unknown name."""
    # `publish` names both; the family has precedence, because a night without its report is incomplete
    jobs = [job for job in JOBS if job.family == name] or [job for job in JOBS if job.name == name]
    if not jobs:
        raise PmrsError(f"There is no job or family {name!r}; `pmrs jobs` lists them.")
    return jobs
