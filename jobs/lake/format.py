"""Format number of a lake. It increases when a change of tables, columns or manifests makes older lakes unreadable."""

from jobs.errors import LakeError
from jobs.lake.files import FileStore

FORMAT = 2
"""2: tables, columns and partition selections in standard terms. 1: every lake without a format file."""
FILE = "_format.json"


def ensure_format(store: FileStore) -> None:
    """Write the format number into a new lake. Raises LakeError, with the remedy, for a lake of another format."""
    require_format(store)
    if not store.exists(FILE):
        store.write_json(FILE, {"format": FORMAT})


def require_format(store: FileStore) -> None:
    """Raise LakeError, with the remedy, if the lake has another format; a new lake has none."""
    try:
        number = int(store.read_json(FILE)["format"])
    except FileNotFoundError:
        number = 1 if _has_partitions(store) else FORMAT
    if number != FORMAT:
        raise LakeError(
            f"The lake {store.root} has format {number}; this version reads and writes format {FORMAT}. Set PMRS_LAKE to a new "
            "folder and run the nights again from the sources. Keep the old lake: it alone has events and deletion requests "
            "whose files are gone, and the registered models."
        )


def _has_partitions(store: FileStore) -> bool:
    """Return True if any table holds a partition; files that are no table (staging, a model registry) do not count."""
    return any(
        folder.startswith("dt=") or any(part.startswith("dt=") for part in store.folders(f"{name}/{folder}"))
        for name in store.folders("")
        for folder in store.folders(name)
    )
