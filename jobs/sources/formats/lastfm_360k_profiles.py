"""Last.fm-360K's profiles (usersha1-profile.tsv): as Last.fm-1K's, for users that are SHA-1 sums."""

from dataclasses import replace

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.formats import user_profiles
from jobs.sources.formats.lastfm_360k import fault_of_user
from jobs.sources.layout import Layout, TextSnapshot


def layout(source: Source) -> Layout:
    """A line whose third field is the word age is a header. Absurd ages, such as -1337, are unknown."""
    profile = user_profiles.layout(source)
    user, age = F.get(F.col("fields"), 0), F.get(F.col("fields"), 2)
    header = F.coalesce(F.lower(age) == "age", F.lit(False))
    return replace(profile, blank=profile.blank | header, faults=(*profile.faults, fault_of_user(user)))


FORMAT = TextSnapshot("users", layout)
