"""A manifest commits one partition of one table: it names the folder that holds the rows and says how they came to be."""

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jobs.settings import REPOSITORY


@dataclass(frozen=True)
class Manifest:
    """What `TABLE/dt=D/_manifest.json` says. The row digest is what "same" means."""

    table: str
    date: str
    folder: str
    """Folder under `TABLE/` that holds the rows, e.g. `dt=2026-11-14/run=2026-11-14T030211-9f3c21`: usually this date's
    own, another's where equal inputs had already given these rows; empty where there are no rows."""
    rows: int
    digest: str
    job: str
    run_id: str
    """Night that wrote it."""
    config: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    """Input -> digest: `table|rule` as Lake.select takes it, `model|name`, `file|path`, or `date` where the job used it.
    What ingest notes besides: see `sources/ingest/fresh.py`."""
    code: str = ""
    """Digest of the program text of jobs/ and models/."""
    seconds: float = 0.0
    """Wall time from the job's start to this commit; not part of what "same" means."""
    amended_by: str = ""
    """Run that took forgotten users' rows out and issued the manifest anew; `rows`, `digest` and `folder` are of then. Its
    `inputs` stay as they were: logs are not read again for it, and whatever was computed from other rows than now is."""

    def to_json(self) -> dict[str, Any]:
        """As a plain dictionary, for the file and for MongoDB's `runs`."""
        return asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Manifest":
        """Back from `to_json`; fields that this version does not know are refused by the constructor."""
        return Manifest(**value)


@cache
def code_version(root: Path = REPOSITORY) -> str:
    """SHA-256 (16 hex digits) over every source file of jobs/ and models/: what computed, committed or not."""
    digest = hashlib.sha256()
    for folder in ("jobs", "models"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in {".py", ".toml"}:
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
