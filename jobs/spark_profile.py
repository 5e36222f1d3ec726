"""The Spark profile of a night: which files of spark_conf/ and which Java flags fit the size of its sources."""

import os
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

from jobs.settings import REPOSITORY, Settings

SMALL_BYTES = 64 * 2**20
"""Bytes of text sources up to which a night is small. The sample has 5 MiB; at some 60 MiB the two profiles take equally long."""
AUDIO_FILE_BYTES = 20_000
"""Bytes that an audio file counts as: Spark handles its row and its clips, Python its sound."""
AUDIO_SUFFIXES = frozenset({".mp3", ".flac", ".wav", ".ogg", ".opus", ".m4a", ".au", ".aiff"})
PACKED_SUFFIXES = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip", ".tgz", ".warc"})
PACKED_FACTOR = 8
"""Bytes of text in a byte of a packed file, as logs compress."""
SMALL_JAVA_FLAGS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xss4m"
"""Only the first compiler: a night of a minute ends before the second one pays. Its frames are larger, hence the stack."""


class SparkProfile(StrEnum):
    """How Spark is configured."""

    CLUSTER = "cluster"
    """spark-defaults.conf alone; the cluster's own files say the rest."""
    LOCAL = "local"
    """And local.conf."""
    SMALL = "small"
    """And small.conf."""

    @property
    def files(self) -> tuple[str, ...]:
        """Files of spark_conf/ that are added to spark-defaults.conf, later ones over earlier ones."""
        return {"cluster": (), "local": ("local.conf",), "small": ("local.conf", "small.conf")}[self.value]

    @property
    def java_flags(self) -> str:
        """Flags of the driver's Java, besides those of spark-defaults.conf."""
        return SMALL_JAVA_FLAGS if self == SparkProfile.SMALL else ""


def choose_profile(settings: Settings, paths: Sequence[str]) -> SparkProfile:
    """Return the profile for sources at these paths: PMRS_SPARK_PROFILE if it is set, else by master and bytes.

    Without paths the size is unknown, so that the profile is never the small one.
    """
    if settings.spark_profile != "auto":
        return SparkProfile(settings.spark_profile)
    if not re.match(r"local(\[|$)", settings.master):
        return SparkProfile.CLUSTER
    if not paths:
        return SparkProfile.LOCAL
    total = 0
    for path in paths:
        for size in _file_sizes(path):
            total += size
            if total > SMALL_BYTES:
                return SparkProfile.LOCAL
    return SparkProfile.SMALL


def configuration(profile: SparkProfile) -> dict[str, str]:
    """Return the settings of the profile's files by key."""
    values: dict[str, str] = {}
    for name in profile.files:
        for line in (REPOSITORY / "spark_conf" / name).read_text(encoding="utf-8").splitlines():
            if line.startswith("spark."):
                key, value = line.split(None, 1)
                values[key] = value.strip()
    return values


def _file_sizes(path: str) -> Iterator[int]:
    """Yield the bytes that each file below a path counts as. A path that cannot be listed counts as a large one."""
    if not os.path.exists(path):
        yield SMALL_BYTES + 1
        return
    files = [Path(path)] if os.path.isfile(path) else (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    for file in files:
        suffix = file.suffix.lower()
        if suffix in AUDIO_SUFFIXES:
            yield AUDIO_FILE_BYTES
        else:
            size = file.stat().st_size if file.exists() else 0
            yield size * PACKED_FACTOR if suffix in PACKED_SUFFIXES else size
