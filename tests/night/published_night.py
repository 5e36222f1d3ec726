"""Run a full night of a small synthetic sample and read its results."""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.lake.lake import Lake
from jobs.lake.partitions import Partitions
from jobs.mongo.connection import MongoDatabase, connect
from jobs.registry import ARTIST_LEVEL, FAMILIES
from jobs.runner import close_run, open_run, run_named
from jobs.sample.config import LAST_DATE, SampleConfig
from jobs.settings import Settings
from jobs.sources.config import load_sources

SMALL = replace(
    SampleConfig(), days=5, groups=5, users_per_group=24, artists_per_group=9, other_artists=10, tracks_per_artist=8,
    artist_followers=3, genre_followers=3, pairs_per_group=4, hot_waves=1, deleted_users=2, deleted_pairs=3, garbage=0.01,
    late=0.01, too_late=0.005, audio_tracks=35, audio_seconds=5.0, long_audio=1, unplayed_audio=7, broken_audio=1,
    mismatched=3,
)  # fmt: skip
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""JVM options for processes of less than a minute, which the optimizing compiler slows down. See spark_conf/small.conf."""


@dataclass(frozen=True)
class PublishedNight:
    """A published night with the planted truth of its sample."""

    settings: Settings
    spark: SparkSession
    truth: dict[str, Any]
    run_id: str
    date: dt.date = LAST_DATE

    @property
    def lake(self) -> Lake:
        return Lake(f"{self.settings.lake_root}/sample")

    def table(self, name: str, partitions: Partitions = Partitions.DATE) -> DataFrame:
        return self.lake.read(self.spark, name, partitions, self.date.isoformat())

    def store(self) -> Any:
        return connect(self.settings, "sample")


def run_night(settings: Settings, date: dt.date, force: bool = False, families: tuple[str, ...] = FAMILIES) -> str:
    """Run a night in this process as the DAG does: open, all families or those named, close. Return the run id."""
    sources = load_sources(settings.sources_file)
    run_id = open_run(settings, sources, date)
    try:
        for family in families:
            run_named(settings, family, date, run_id, force)
    finally:
        close_run(settings, sources, run_id)
    return run_id


def digests(published: PublishedNight) -> dict[str, str]:
    """Return the row digest of every table that the night's jobs write."""
    date = published.date.isoformat()
    names = ("tracks", "song_tracks", "history", "eligible_users", "track_clips", "genre_scores", "track_genres", "item_factors")
    lists = ("user_factors", "candidates", "ranked", *ARTIST_LEVEL)
    return {name: published.lake.digest_of(name, Partitions.DATE, date) for name in (*names, *lists)}


def documents(store: MongoDatabase, run_id: str, view: str = "recommendations") -> dict[str, Any]:
    """Return the documents of a night by id, without their run id."""
    cursor = store[f"{view}__{run_id}"].find({}, {"run_id": 0})
    return {document["_id"]: document for document in cursor}
