"""A copy of the published night for tests of the erasure, with a source of deletion requests."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.mongo import views
from jobs.mongo.connection import connect
from jobs.publish.collections import INDEXES, VALIDATORS
from jobs.publish.insert import prepare
from jobs.settings import Settings
from tests.night.published_night import PublishedNight

NAME = "erasing"


class ErasureEnv:
    """A copy of the published night, with a source of deletion requests."""

    def __init__(self, published: PublishedNight, var: Path) -> None:
        self.spark, self.truth, self.date, self.var = published.spark, published.truth, published.date, var
        for kind in ("lake", "reports"):
            shutil.copytree(published.settings.var / kind / "sample", var / kind / NAME)
        self.requests_file = var / "deletions.txt"
        self.settings = published.settings.model_copy(update={"var": var, "sources": self._sources(published.settings)})
        _copy_nights(published, self)
        self.lake = Lake(str(var / "lake" / NAME))
        self.report = var / "reports" / NAME / self.date.isoformat() / "report.html"

    def _sources(self, settings: Settings) -> Path:
        text = settings.sources_file.read_text().replace('name = "sample"', f'name = "{NAME}"')
        text = re.sub(r'path = "', f'path = "{settings.sources_file.parent}/', text)
        file = self.var / "sources.toml"
        file.write_text(text + f'\n[[source]]\nformat = "deletions"\npath = "{self.requests_file}"\n')
        return file

    def store(self) -> Any:
        return connect(self.settings, NAME)

    def manifests(self) -> list[Manifest]:
        return [Manifest.from_json(json.loads(p.read_text())) for p in sorted(Path(self.lake.store.root).rglob("_manifest.json"))]

    def rows(self, manifest: Manifest) -> list[dict[str, Any]]:
        if not manifest.folder:
            return []
        folder = Path(self.lake.store.root) / manifest.table / manifest.folder
        return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path, partitioning=None).to_pylist()]

    def rows_of_date(self, name: str) -> list[dict[str, Any]]:
        return self.rows(next(m for m in self.manifests() if (m.table, m.date) == (name, self.date.isoformat())))

    def user_rows(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """Return the rows of every partition that has user ids, by (part, date)."""
        manifests = [m for m in self.manifests() if m.table.split("/")[0] not in {"mel", "erasures"}]
        rows = {(m.table, m.date): self.rows(m) for m in manifests}
        return {key: rows_of_part for key, rows_of_part in rows.items() if rows_of_part and "user_id" in rows_of_part[0]}


def _copy_nights(published: PublishedNight, env: ErasureEnv) -> None:
    """Copy the published nights into the database of the new sources file."""
    with published.store() as old, env.store() as new:
        for name in old.list_collection_names(filter={"type": "collection", "name": {"$not": {"$regex": "^system"}}}):
            view = name.partition("__")[0]
            if view in VALIDATORS:
                prepare(new, name, VALIDATORS[view], INDEXES[view])
            if documents := list(old[name].find()):
                new[name].insert_many(documents)
        new.leases.delete_many({})
        run_id = views.live_run(old)
        views.commit(new, run_id or "")
        views.repoint_secondary(new, run_id or "")
