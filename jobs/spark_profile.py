"""Choose the Spark profile of a night: files of spark_conf/ and Java flags, by the size of its sources."""

import os
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

from jobs.settings import REPOSITORY, Settings

SMALL_BYTES = 40 * 2**20
"""Bytes of text sources up to which a night is small. The sample counts 27 MiB. The real-input night counts 56 MiB; with
the small profile its job `rank` took 183 s for 24,028 users.
"""
AUDIO_FILE_BYTES = 20_000
"""Bytes that an audio file counts as: Spark processes its row and clips, Python its audio."""
AUDIO_SUFFIXES = frozenset({".mp3", ".flac", ".wav", ".ogg", ".opus", ".m4a", ".au", ".aiff"})
PACKED_SUFFIXES = frozenset({".gz", ".parquet", ".tgz", ".warc"})
PACKED_FACTOR = 8
"""Compression ratio of logs."""
ROW_BYTES = 100
"""Bytes of text that a row of the lake counts as."""
SMALL_JAVA_FLAGS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xss4m"
"""Only the first compiler: a night of a minute ends before the second one pays off. Its frames need a larger stack."""


class SparkProfile(StrEnum):
    """Spark profiles."""

    CLUSTER = "cluster"
    """spark-defaults.conf alone; the cluster's own files have the other settings."""
    LOCAL = "local"
    """spark-defaults.conf and local.conf."""
    SMALL = "small"
    """spark-defaults.conf, local.conf and small.conf."""

    @property
    def files(self) -> tuple[str, ...]:
        """Files of spark_conf/ that are added to spark-defaults.conf, later ones over earlier ones."""
        return {"cluster": (), "local": ("local.conf",), "small": ("local.conf", "small.conf")}[self.value]

    @property
    def java_flags(self) -> str:
        """Flags of the driver's Java, in addition to those of spark-defaults.conf."""
        return SMALL_JAVA_FLAGS if self == SparkProfile.SMALL else ""


def choose_profile(settings: Settings, paths: Sequence[str], lake_rows: int = 0) -> SparkProfile:
    """Return the profile for sources at these paths: PMRS_SPARK_PROFILE if it is set, else by master and bytes.

    `lake_rows`: rows of logs and counts that earlier nights have ingested; the files may have been deleted since. Without paths the
    size is unknown, so that the profile is never the small one.
    """
    if settings.spark_profile != "auto":
        return SparkProfile(settings.spark_profile)
    if not is_local(settings.master):
        return SparkProfile.CLUSTER
    if not paths:
        return SparkProfile.LOCAL
    total = lake_rows * ROW_BYTES
    if total > SMALL_BYTES:
        return SparkProfile.LOCAL
    for path in paths:
        for size in _file_sizes(path):
            total += size
            if total > SMALL_BYTES:
                return SparkProfile.LOCAL
    return SparkProfile.SMALL


def is_local(master: str) -> bool:
    """Return True if Spark runs in one process on this machine."""
    return re.match(r"local(\[|$)", master) is not None


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
    for file in [Path(path)] if os.path.isfile(path) else _walk(path):
        suffix = file.suffix.lower()
        if suffix in AUDIO_SUFFIXES:
            yield AUDIO_FILE_BYTES
        else:
            size = file.stat().st_size if file.exists() else 0
            yield size * PACKED_FACTOR if suffix in PACKED_SUFFIXES else size


def _walk(root: str) -> Iterator[Path]:
    """Yield the files below a folder, linked folders included, each folder once."""
    visited = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        yield from (Path(folder, name) for name in names)
