"""Last.fm-360K's profiles (usersha1-profile.tsv): like those of Last.fm-1K, for users that are SHA-1 hashes."""

from dataclasses import replace

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.formats import user_profiles
from jobs.sources.formats.lastfm_360k import user_rule
from jobs.sources.line_format import LineFormat, TextSnapshotFormat


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. A line whose third field is the word age is a header. Absurd ages, such as -1337, are
    unknown.
    """
    profile = user_profiles.line_format(source)
    user, age = F.get(F.col("fields"), 0), F.get(F.col("fields"), 2)
    header = F.coalesce(F.lower(age) == "age", F.lit(False))
    return replace(profile, is_blank=profile.is_blank | header, rules=(*profile.rules, user_rule(user)))


FORMAT = TextSnapshotFormat("users", line_format)
