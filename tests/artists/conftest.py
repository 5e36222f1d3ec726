"""A night of the small catalogue, for all tests of the artist level."""

import datetime as dt

import pytest
from pyspark.sql import SparkSession

from jobs.artists import artists
from jobs.artists.config import ArtistsConfig
from jobs.context import JobContext, Night
from jobs.lake.deletion_requests import sha256
from jobs.settings import Settings
from jobs.sources.config import load_sources
from tests.artists.small_catalogue import DAY, add_listening, small_tables, write_tables


@pytest.fixture(scope="package")
def night(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Night:
    """A night of the small catalogue.

    ann likes groups 0 and 1. bob likes the same, requests two deletions and has blocked one track. cid likes two tracks.
    """
    var = tmp_path_factory.mktemp("artists")
    sources = var / "sources.toml"
    sources.write_text(
        'name = "small"\ngenres = "pmrs7"\n[[source]]\nname = "app"\nformat = "app_log"\npath = "/x"\n'
        '[[source]]\nname = "msd"\nformat = "msd_unique_tracks"\npath = "/x"\n'
        '[[source]]\nname = "requests"\nformat = "deletions"\npath = "/x"\n'
    )
    night = Night(DAY, "r", load_sources(sources), Settings(var=var), spark)
    rows = small_tables()
    ann = [f"t{artist}.{number}" for artist in (0, 1, 3, 4) for number in range(3)]
    add_listening(rows, "ann", *ann)
    add_listening(rows, "bob", *ann)
    add_listening(rows, "cid", "t0.0", "t0.1")
    rows["deletions/requests"] = [{"user_hash": sha256("bob"), "track_id": name} for name in ("t0.0", "t2.0")]
    rows["events/app"] = [{"user_id": "bob", "track_id": "t1.1", "event": "block", "within_late_window": True,
                           "played_at": dt.datetime(2026, 11, 14, 1, tzinfo=dt.UTC)}]  # fmt: skip
    write_tables(JobContext(night, "literal", ArtistsConfig()), rows)
    ctx = JobContext(night, "artists", ArtistsConfig())
    artists.run(ctx)
    ctx.commit()
    return night
