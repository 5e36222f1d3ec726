"""What the MSD's HDF5 files hold: a row per track in three tables, read in slices. What a file claims is judged first."""

from collections.abc import Iterator
from typing import IO, Any

import h5py
import numpy as np
import pandas as pd

from jobs.sources.reading.whole_files import reject

SLICE = 10_000
"""Rows read at a time: a row of metadata/songs is 4 KB wide unpacked."""
DATASETS = {
    "metadata/songs": ("artist_id", "artist_name", "release", "song_id", "title"),
    "analysis/songs": ("track_id", "duration"),
    "musicbrainz/songs": ("year",),
}
Array = np.ndarray[Any, Any]
H5_FAULTS = (OSError, RuntimeError, KeyError, ValueError)
"""What h5py raises for files that are not HDF5, cut short, damaged or without what is asked for."""
TRACKS, ROW_BYTES, CHUNK_BYTES = 20_000_000, 16 * 1024, 64 * 1024**2
"""The most that a file may claim: rows, bytes of a row, bytes unpacked at once. The MSD's are 1 million and 5 KB."""


def length(file: h5py.File) -> int:
    """Number of tracks. Raises ValueError saying what is missing or disagrees."""
    for name, fields in DATASETS.items():
        dataset = file.get(name)
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1 or dataset.dtype.names is None:
            raise ValueError(f"it has no table {name}")
        _require_harmless(file, name, dataset)
        for field in fields:
            _require_field(name, dataset.dtype, field)
    lengths = {name: len(file[name]) for name in DATASETS}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"its tables differ in length: {lengths}")
    return lengths["metadata/songs"]


def read_tracks(file: str | IO[bytes], prefix: str) -> Iterator[pd.DataFrame]:
    """Frames of good tracks and of rejected ones; what cannot be opened is one rejected row.

    A damaged block rejects the rows of its slice, since every row must be accounted for; the rest is read.
    """
    try:
        with h5py.File(file, "r") as opened:
            total = length(opened)
            for start in range(0, total, SLICE):
                yield from _read_slice(opened, start, min(start + SLICE, total), prefix)
    except H5_FAULTS as error:
        yield reject("bad_hdf5", f"the file is no MSD HDF5 file: {error}")


def count_tracks(path: str) -> int:
    """Length of a file's tables; 1 for a file that is rejected as a whole."""
    try:
        with h5py.File(path, "r") as file:
            return length(file)
    except H5_FAULTS:
        return 1


def texts(values: Array) -> list[str]:
    """Fixed-width bytes as text: all as UTF-8 at once, else one by one, those that are not UTF-8 as latin-1."""
    try:
        return [str(text) for text in np.char.decode(values, "utf-8")]
    except UnicodeDecodeError:
        return [_text(value) for value in values]


def _require_harmless(file: h5py.File, name: str, dataset: h5py.Dataset) -> None:
    """Raise ValueError for a table that lies in another file, or whose reading would take more memory than any real one's."""
    if dataset.file.filename != file.filename or dataset.external or dataset.is_virtual:
        raise ValueError(f"its table {name} lies in another file")
    chunk = dataset.dtype.itemsize * int(np.prod(dataset.chunks or (1,), dtype="object"))
    if len(dataset) > TRACKS or dataset.dtype.itemsize > ROW_BYTES or chunk > CHUNK_BYTES:
        raise ValueError(f"its table {name} claims to be larger than any of the MSD's")


def _require_field(name: str, dtype: np.dtype[Any], field: str) -> None:
    kinds = "fiu" if field in ("duration", "year") else "S"
    if field not in (dtype.names or ()) or dtype[field].kind not in kinds:
        raise ValueError(f"{name} has no column {field} of the usual type")


def _read_slice(file: h5py.File, start: int, stop: int, prefix: str) -> Iterator[pd.DataFrame]:
    try:
        columns = {f: v[f] for n, fs in DATASETS.items() for v in [file[n].fields(list(fs))[start:stop]] for f in fs}
    except H5_FAULTS as error:
        yield reject("bad_block", f"the rows lie in a damaged part of the file: {error}", range(start + 1, stop + 1))
        return
    frame = _frame(columns, prefix)
    empty = (columns["track_id"] == b"") | (columns["song_id"] == b"")
    if empty.any():
        yield reject("missing_id", "track_id or song_id is empty", [start + 1 + int(n) for n in np.flatnonzero(empty)])
    yield frame[~empty]


def _frame(columns: dict[str, Array], prefix: str) -> pd.DataFrame:
    year, seconds = columns["year"].astype("int64"), columns["duration"].astype("float64")
    known = (year > 0) & (year < 2**31)
    return pd.DataFrame(
        {
            "track_id": [prefix + text for text in texts(columns["track_id"])],
            "song_id": texts(columns["song_id"]),
            "title": _or_none(texts(columns["title"])),
            "artist_id": _or_none(texts(columns["artist_id"])),
            "artist": _or_none(texts(columns["artist_name"])),
            "release": _or_none(texts(columns["release"])),
            "year": [int(number) if real else None for number, real in zip(year, known, strict=True)],
            "duration_s": np.where(np.isfinite(seconds) & (seconds > 0), seconds, np.nan),
        }
    )


def _or_none(values: list[str]) -> list[str | None]:
    return [value or None for value in values]


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
