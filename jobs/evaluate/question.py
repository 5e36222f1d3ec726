"""What is asked of every model: the night's view of the data, split."""

import datetime as dt
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext, Night
from jobs.errors import EvaluationError
from jobs.evaluate import listening
from jobs.evaluate.evaluate import Facts
from jobs.evaluate.splits import HeldOutUsers, LeaveLast, PerUserRandom, Split
from jobs.evaluate.temporal import Temporal
from jobs.job_config import Config as AnyConfig
from jobs.lake.partitions import Partitions
from jobs.mongo import embedded
from jobs.settings import Settings
from jobs.sources.config import load_sources, newest_date
from jobs.spark import session

MOST_DAYS = 14
SPLITS = ("temporal", "random", "last", "users")


@dataclass(frozen=True)
class Config:
    """What is evaluated; noted with every figure."""

    split: str = ""
    """One of SPLITS; empty: temporal where there are events, else random."""
    models: tuple[str, ...] = ()
    """Names of contenders; none: all."""
    days: int = 0
    """Days at the end of the data that a temporal split asks for; 0: a quarter of all there are, at most MOST_DAYS."""
    tune: bool = True
    """Choose each model's settings on the inner split; else its first settings stand."""
    date: str = ""
    """The night whose view of the data is split, ISO; empty: the newest date in the data."""


@dataclass(frozen=True)
class Question:
    """One split of one night's data."""

    ctx: JobContext
    split: Split
    facts: Facts


def put(settings: Settings, config: Config) -> Question:
    """Open the lake as of the date, and split it. Raises EvaluationError for a split that there is not, or that has no data."""
    if config.split not in ("", *SPLITS):
        raise EvaluationError(f"There is no split {config.split!r}; there are {', '.join(SPLITS)}.")
    ctx = opened(settings, config.date, config)
    return Question(ctx, make_split(ctx, config), _facts(ctx))


def opened(settings: Settings, on: str, config: AnyConfig) -> JobContext:
    """The lake as of a date (ISO; empty: the newest in the data), with Spark, and MongoDB running where it is the embedded one."""
    sources = load_sources(settings.sources_file)
    if settings.embedded:
        embedded.start(settings)
    date = dt.date.fromisoformat(on) if on else newest_date(sources)
    night = Night(date, f"evaluate_{date:%Y%m%d}", sources, settings, session(f"pmrs evaluate {date}", settings))
    return JobContext(night, "evaluate", config)


def make_split(ctx: JobContext, config: Config) -> Split:
    """The split that the config names, of what the night may use."""
    data = listening.read(ctx)
    name = config.split or ("random" if data.events.isEmpty() else "temporal")
    if name == "temporal" and data.events.isEmpty():
        raise EvaluationError(
            "A temporal split needs events with times, and these sources have play counts only; use --split random."
        )
    midnight = dt.datetime.combine(ctx.date, dt.time(), dt.UTC) + dt.timedelta(days=1)
    days = config.days or _days(data.events, midnight)
    ways: dict[str, Temporal | PerUserRandom | LeaveLast | HeldOutUsers] = {
        "temporal": Temporal(midnight - dt.timedelta(days=days), days),
        "random": PerUserRandom(), "last": LeaveLast(), "users": HeldOutUsers(),
    }  # fmt: skip
    return ways[name].split(data)


def _days(events: DataFrame, end: dt.datetime) -> int:
    first = events.agg(F.min("played_at")).collect()[0][0]
    # Spark hands times out without a zone, in the session's, which is UTC
    span = (end - first.replace(tzinfo=dt.UTC)).days if first is not None else 0
    return max(1, min(MOST_DAYS, span // 4))


def _facts(ctx: JobContext) -> Facts:
    """What the night knows of tracks and users; genres only where the night has classified them."""
    classified = bool(ctx.night.lake.select("track_genres", Partitions.DATE, ctx.date.isoformat()))
    genres = ctx.read("track_genres") if classified else None
    return Facts(ctx.read_required("tracks"), genres, ctx.genres.genres, ctx.read("users", Partitions.LATEST))
