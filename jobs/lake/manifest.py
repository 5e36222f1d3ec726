"""Manifests. One commits one partition of one table: it names the folder with the rows, and records their origin."""

from dataclasses import asdict, dataclass, field
from typing import Any

from jobs.lake.inputs import Input


@dataclass(frozen=True)
class Manifest:
    """Content of `TABLE/dt=D/_manifest.json`. Partitions are "the same" if their row digests are equal."""

    table: str
    date: str
    folder: str
    """Folder of the rows under `TABLE/`, e.g. `dt=2026-11-14/run=2026-11-14T030211-9f3c21`.

    Usually it is of this date; of another date if equal inputs had already given these rows; empty if there are no
    rows.
    """
    rows: int
    digest: str
    job: str
    run_id: str
    """Run that wrote the rows."""
    config: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    """Digest or value by the label of the input, see jobs/lake/inputs.py."""
    code: str = ""
    """Version of the job's module and what it imports, see jobs/code_version.py."""
    seconds: float = 0.0
    """Wall time from the job's start to this commit; not part of what "same" means."""
    amended_by: str = ""
    """Run that removed erased users' rows and issued the manifest again, with new `rows`, `digest` and `folder`.

    Its `inputs` stay, so that logs are not ingested again. Rows that were computed from the earlier rows are computed
    again.
    """

    def input(self, item: Input) -> str | None:
        """Return the recorded digest or value of an input; None if the rows do not depend on it."""
        return self.inputs.get(item.label())

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary, for the file and for MongoDB's `runs`."""
        return asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Manifest":
        """Return the manifest of a `to_json` dictionary. Raises TypeError for fields unknown to this version."""
        return Manifest(**value)
