"""Find manifests and orphaned folders from the files of a lake, of all sources that ever existed."""

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jobs.lake.checkpoints import FOLDER as CHECKPOINTS
from jobs.lake.files import File, FileStore
from jobs.lake.manifest import Manifest
from jobs.lake.schemas import TABLES

MANIFEST = "_manifest.json"
FOLDER = re.compile(r"^(?P<part>.+)/(?P<folder>dt=[^/]+/run=(?P<time>\d{4}-\d\d-\d\dT\d{6})[^/]*)/")
STAGE = re.compile(r"^stage/run=(?P<time>\d{4}-\d\d-\d\dT\d{6})[^/]*(?=/)")
"""Staged rows of logs; an ingest deletes its own unless it is killed."""
MARKER = re.compile(r"/\.?_SUCCESS(\.crc)?$")
"""Empty file that Spark writes into a part's folder after each write."""
PARTLY = re.compile(r"^.+?/(_temporary|\.spark-staging[^/]*)(?=/)")


@dataclass(frozen=True)
class Orphan:
    """A folder, or a single file, that no manifest names; `time`: when it was begun or last changed (UTC)."""

    name: str
    time: dt.datetime


def manifests(store: FileStore, files: Iterable[File]) -> list[Manifest]:
    """Return every manifest among the files, of known and unknown tables."""
    return [Manifest.from_json(store.read_json(f.name)) for f in files if f.name.endswith(f"/{MANIFEST}")]


def by_folder(manifests_: Iterable[Manifest]) -> dict[str, list[Manifest]]:
    """Return manifests by the folder that they name, `TABLE/PART/dt=.../run=...`; dates with equal rows share one."""
    named: dict[str, list[Manifest]] = defaultdict(list)
    for manifest in manifests_:
        if manifest.folder:
            named[f"{manifest.table}/{manifest.folder}"].append(manifest)
    return dict(named)


def table_name(folder: str) -> str:
    """Return the table of a folder."""
    return folder.split("/", 1)[0]


def unknown(files: Iterable[File]) -> list[str]:
    """Return the folders of the lake that are no table of this version: of an older version, or of another program."""
    return sorted({table_name(f.name) for f in files if "/" in f.name} - {*TABLES, "models", "stage", CHECKPOINTS})


def written(file: File) -> dt.datetime:
    """Return when the folder of a data file was begun, from its name; else when the file was last changed."""
    match = FOLDER.match(file.name) or STAGE.match(file.name)
    return dt.datetime.strptime(match["time"], "%Y-%m-%dT%H%M%S").replace(tzinfo=dt.UTC) if match else file.changed


def orphans(files: Iterable[File], named: Mapping[str, object]) -> list[Orphan]:
    """Return the orphans of known tables: folders of killed runs, and unfinished files."""
    times: dict[str, dt.datetime] = {}
    for file in files:
        match = STAGE.match(file.name) or PARTLY.match(file.name) or FOLDER.match(file.name)
        if table_name(file.name) not in {*TABLES, "stage"} or _in_use(file.name, named):
            continue
        name = match[0].rstrip("/") if match else file.name
        times[name] = max(written(file), times.get(name, dt.datetime.min.replace(tzinfo=dt.UTC)))
    return [Orphan(name, time) for name, time in sorted(times.items())]


def _in_use(name: str, named: Mapping[str, object]) -> bool:
    match = FOLDER.match(name)
    if match:
        return f"{match['part']}/{match['folder']}" in named
    ours = name.endswith((f"/{MANIFEST}", "/cleaned.json")) or name.startswith("erasures/journal-")
    return ours or MARKER.search(name) is not None
