"""Identify the program that read a format's lines. Manifests record it, because events may change with the program."""

from pathlib import Path

from jobs.code_version import code_version
from jobs.settings import REPOSITORY

SOURCES = "jobs.sources."
COMMON_MODULES = ("ingest.fast_path", "ingest.deduplicate")
"""Modules that process the events of every format."""


def reader_version(kind: str, root: Path = REPOSITORY) -> str:
    """Return the version of the modules of jobs/sources/ that read the format `kind`: another format changes nothing."""
    modules = [f"{SOURCES}{name}" for name in (f"formats.{kind}", *COMMON_MODULES)]
    # the package formats lists all formats
    return code_version(*modules, within=SOURCES, excluded=f"{SOURCES}formats", root=root)
