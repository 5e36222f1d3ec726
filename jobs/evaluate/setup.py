"""Set up an evaluation: the night's view of the data, split into training data and test queries."""

import datetime as dt
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.context import JobContext, Night
from jobs.errors import EvaluationError
from jobs.evaluate.evaluator import Metadata
from jobs.evaluate.interactions import read_interactions
from jobs.evaluate.splits import HeldOutUsers, LeaveLast, PerUserRandom, Split
from jobs.evaluate.temporal import Temporal
from jobs.job_config import JobConfig
from jobs.lake.files import FileStore
from jobs.lake.format import require_format
from jobs.lake.partitions import Partitions
from jobs.mongo import embedded
from jobs.settings import Settings
from jobs.sources.config import load_sources, newest_date
from jobs.spark import session
from jobs.spark_profile import SparkProfile, is_local

MAX_TEST_DAYS = 14
JAVA_FLAGS = "-XX:TieredStopAtLevel=1"
"""Only the first compiler: an evaluation runs many queries once, and compiling them takes longer than they do."""
SPLITS = ("temporal", "random", "last", "users")


@dataclass(frozen=True)
class EvaluationConfig:
    """What is evaluated; recorded with every figure."""

    split: str = ""
    """One of SPLITS; empty: temporal if there are events, else random."""
    models: tuple[str, ...] = ()
    """Names of models; empty: the default set."""
    days: int = 0
    """Test days of a temporal split; 0: the last quarter of the data, at most MAX_TEST_DAYS."""
    tune: bool = True
    """Choose each model's settings on the inner split; False: use the first settings of its grid."""
    date: str = ""
    """Date (ISO) of the night whose view of the data is split; empty: the newest date in the data."""


@dataclass(frozen=True)
class EvaluationSetup:
    """One split of one night's data."""

    ctx: JobContext
    split: Split
    metadata: Metadata


def prepare(settings: Settings, config: EvaluationConfig) -> EvaluationSetup:
    """Open the lake as of the date and split the interactions. Raises EvaluationError for an unknown split or one without data."""
    if config.split not in ("", *SPLITS):
        raise EvaluationError(f"There is no split {config.split!r}; available are {', '.join(SPLITS)}.")
    ctx = open_context(settings, config.date, config)
    return EvaluationSetup(ctx, make_split(ctx, config), _read_metadata(ctx))


def open_context(settings: Settings, on: str, config: JobConfig) -> JobContext:
    """Return the lake as of a date; starts the embedded MongoDB if no other is set.

    Spark starts with the first read, and logs to VAR/logs/evaluate-spark.log. `on`: ISO date; empty: the newest date in
    the data.
    """
    sources = load_sources(settings.sources_file)
    if settings.embedded:
        embedded.start(settings)
    require_format(FileStore(f"{settings.lake_root}/{sources.name}"))
    date = dt.date.fromisoformat(on) if on else newest_date(sources)

    def start() -> SparkSession:
        # never the profile of small nights: an evaluation has some 100 rows per user, model and setting
        profile = SparkProfile.LOCAL if is_local(settings.master) else SparkProfile.CLUSTER
        log_file = settings.var / "logs" / "evaluate-spark.log"
        return session(f"pmrs evaluate {date}", settings, profile=profile, log_file=log_file, java_flags=JAVA_FLAGS)

    return JobContext(Night(date, f"evaluate_{date:%Y%m%d}", sources, settings, start), "evaluate", config)


def make_split(ctx: JobContext, config: EvaluationConfig) -> Split:
    """Return the split that the config names, of the night's interactions."""
    interactions = read_interactions(ctx)
    has_events = not interactions.events.isEmpty()
    name = config.split or ("temporal" if has_events else "random")
    if name == "temporal" and not has_events:
        raise EvaluationError(
            "A temporal split needs events with timestamps, and these sources have play counts only; use --split random."
        )
    midnight = dt.datetime.combine(ctx.date, dt.time(), dt.UTC) + dt.timedelta(days=1)
    days = config.days or _default_test_days(interactions.events, midnight)
    splitters: dict[str, Temporal | PerUserRandom | LeaveLast | HeldOutUsers] = {
        "temporal": Temporal(midnight - dt.timedelta(days=days), days),
        "random": PerUserRandom(), "last": LeaveLast(), "users": HeldOutUsers(),
    }  # fmt: skip
    return splitters[name].split(interactions)


def _default_test_days(events: DataFrame, end: dt.datetime) -> int:
    first = events.agg(F.min("played_at")).collect()[0][0]
    # Spark returns naive timestamps in the session's time zone, which is UTC
    n_days = (end - first.replace(tzinfo=dt.UTC)).days if first is not None else 0
    return max(1, min(MAX_TEST_DAYS, n_days // 4))


def _read_metadata(ctx: JobContext) -> Metadata:
    """Return the night's tracks and users; genres only if the night has classified them."""
    classified = bool(ctx.night.lake.select("track_genres", Partitions.DATE, ctx.date.isoformat()))
    genres = ctx.read("track_genres") if classified else None
    return Metadata(ctx.read_required("tracks"), genres, ctx.genres.genres, ctx.read("users", Partitions.LATEST))
