"""Read the MSD's HDF5 files: a row per track in three tables, read in slices. The sizes that a file declares are
checked first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import h5py
import numpy as np

from jobs.sources.reading.python_readers import rejected_frame

if TYPE_CHECKING:
    import pandas as pd

BATCH_ROWS = 10_000
"""Rows read at a time: a row of metadata/songs has 4 KB unpacked."""
DATASETS = {
    "metadata/songs": ("artist_id", "artist_name", "release", "song_id", "title"),
    "analysis/songs": ("track_id", "duration"),
    "musicbrainz/songs": ("year",),
}
Array = np.ndarray[Any, Any]
H5_ERRORS = (OSError, RuntimeError, KeyError, ValueError)
"""Errors of h5py for files that are not HDF5, truncated, damaged or incomplete."""
MAX_TRACKS, MAX_ROW_BYTES, MAX_CHUNK_BYTES = 20_000_000, 16 * 1024, 64 * 1024**2
"""Limits on what a file may declare: rows, bytes per row, bytes unpacked at once. The MSD has 1 million rows of 5 KB.
"""


def table_length(file: h5py.File) -> int:
    """Return the number of tracks. Raises ValueError if a table or field is missing, or lengths differ."""
    for name, fields in DATASETS.items():
        dataset = file.get(name)
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1 or dataset.dtype.names is None:
            raise ValueError(f"it has no table {name}")
        _require_safe(file, name, dataset)
        for field in fields:
            _require_field(name, dataset.dtype, field)
    lengths = {name: len(file[name]) for name in DATASETS}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"its tables differ in length: {lengths}")
    return lengths["metadata/songs"]


def read_tracks(file: str | IO[bytes], prefix: str) -> Iterator[pd.DataFrame]:
    """Yield frames of good and of rejected tracks. A file that cannot be opened is one rejected row.

    A damaged block rejects the rows of its slice, since every row must be accounted for; the rest is read.
    """
    try:
        with h5py.File(file, "r") as opened:
            total = table_length(opened)
            for start in range(0, total, BATCH_ROWS):
                yield from _read_slice(opened, start, min(start + BATCH_ROWS, total), prefix)
    except H5_ERRORS as error:
        yield rejected_frame("bad_hdf5", f"the file is not an MSD HDF5 file: {error}")


def count_tracks(path: str) -> int:
    """Return the length of a file's tables; 1 for a file that is rejected as a whole."""
    try:
        with h5py.File(path, "r") as file:
            return table_length(file)
    except H5_ERRORS:
        return 1


def decode_texts(values: Array) -> list[str]:
    """Decode fixed-width bytes: as UTF-8 at once if possible, otherwise one by one, with latin-1 for those that are not
    UTF-8.
    """
    try:
        return [str(text) for text in np.char.decode(values, "utf-8")]
    except UnicodeDecodeError:
        return [_decode_text(value) for value in values]


def _require_safe(file: h5py.File, name: str, dataset: h5py.Dataset) -> None:
    """Raise ValueError for a table that is stored in another file, or needs more memory than any real one."""
    if dataset.file.filename != file.filename or dataset.external or dataset.is_virtual:
        raise ValueError(f"its table {name} is stored in another file")
    chunk = dataset.dtype.itemsize * int(np.prod(dataset.chunks or (1,), dtype="object"))
    if len(dataset) > MAX_TRACKS or dataset.dtype.itemsize > MAX_ROW_BYTES or chunk > MAX_CHUNK_BYTES:
        raise ValueError(f"its table {name} exceeds the size limit")


def _require_field(name: str, dtype: np.dtype[Any], field: str) -> None:
    kinds = "fiu" if field in ("duration", "year") else "S"
    if field not in (dtype.names or ()) or dtype[field].kind not in kinds:
        raise ValueError(f"{name} has no column {field} of the usual type")


def _read_slice(file: h5py.File, start: int, stop: int, prefix: str) -> Iterator[pd.DataFrame]:
    try:
        columns = {f: v[f] for n, fs in DATASETS.items() for v in [file[n].fields(list(fs))[start:stop]] for f in fs}
    except H5_ERRORS as error:
        yield rejected_frame(
            "bad_block", f"the rows are in a damaged part of the file: {error}", range(start + 1, stop + 1)
        )
        return
    frame = _to_frame(columns, prefix)
    empty = (columns["track_id"] == b"") | (columns["song_id"] == b"")
    if empty.any():
        yield rejected_frame(
            "missing_id", "track_id or song_id is empty", [start + 1 + int(n) for n in np.flatnonzero(empty)]
        )
    yield frame[~empty]


def _to_frame(columns: dict[str, Array], prefix: str) -> pd.DataFrame:
    import pandas as pd

    year, seconds = columns["year"].astype("int64"), columns["duration"].astype("float64")
    has_year = (year > 0) & (year < 2**31)
    return pd.DataFrame(
        {
            "track_id": [prefix + text for text in decode_texts(columns["track_id"])],
            "song_id": decode_texts(columns["song_id"]),
            "title": _or_none(decode_texts(columns["title"])),
            "artist_id": _or_none(decode_texts(columns["artist_id"])),
            "artist": _or_none(decode_texts(columns["artist_name"])),
            "release": _or_none(decode_texts(columns["release"])),
            "year": [int(number) if real else None for number, real in zip(year, has_year, strict=True)],
            "duration_s": np.where(np.isfinite(seconds) & (seconds > 0), seconds, np.nan),
        }
    )


def _or_none(values: list[str]) -> list[str | None]:
    return [value or None for value in values]


def _decode_text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
