"""A manifest commits one partition of one table: it names the folder that holds the rows and says how they came to be."""

from dataclasses import asdict, dataclass, field
from typing import Any


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
    What ingest notes besides: see `sources/ingest/change_detection.py`."""
    code: str = ""
    """Version of the job's module and what it imports, see jobs/code_version.py."""
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
