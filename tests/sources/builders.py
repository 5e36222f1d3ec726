"""Write small files of binary formats: HDF5, SQLite, WARC and audio."""

import io
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import soundfile
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter


def hdf5(*tracks: str, chunks: tuple[int, ...] | None = None) -> bytes:
    """An HDF5 file in the MSD's layout with these track ids."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, fields in {
            "metadata/songs": {
                "artist_id": "S20",
                "artist_name": "S30",
                "release": "S30",
                "song_id": "S20",
                "title": "S30",
            },
            "analysis/songs": {"track_id": "S20", "duration": "f8"},
            "musicbrainz/songs": {"year": "i4"},
        }.items():
            rows = np.zeros(len(tracks), dtype=list(fields.items()))
            for number, track in enumerate(tracks):
                values: dict[str, Any] = {
                    "artist_id": b"ARAAAAA1187B9AF5D2", "artist_name": b"Bj\xf6rk", "song_id": b"SO" + track[2:].encode(),
                    "title": f"Song {number}".encode(), "track_id": track.encode(), "duration": 61.5, "year": 1999,
                }  # fmt: skip
                for field in fields:
                    rows[number][field] = values.get(field, b"")
            file.create_dataset(name, data=rows, chunks=chunks)
    return stream.getvalue()


def database(path: Path, *statements: str, rows: Sequence[tuple[str, Sequence[tuple[Any, ...]]]] = ()) -> Path:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    for table, values in rows:
        marks = ", ".join("?" * len(values[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
    connection.commit()
    connection.close()
    return path


def record(
    url: str, body: bytes, mime: str = "text/html; charset=utf-8", status: str = "200 OK", **options: Any
) -> dict[str, Any]:
    return {"url": url, "body": body, "mime": mime, "status": status, **options}


def warc(path: Path, *entries: dict[str, Any]) -> Path:
    with path.open("wb") as stream:
        writer = WARCWriter(stream, gzip=path.suffix == ".gz")
        writer.write_record(writer.create_warcinfo_record(path.name, {"software": "Nutch"}))
        for entry in entries:
            headers = [("Content-Type", entry["mime"]), *entry.get("headers", {}).items()]
            kind = entry.get("kind", "response")
            http = StatusAndHeaders(entry["status"], headers, protocol="HTTP/1.1") if kind == "response" else None
            writer.write_record(
                writer.create_warc_record(
                    entry["url"], kind, payload=io.BytesIO(entry["body"]), http_headers=http,
                    warc_content_type=entry["mime"] if kind == "resource" else None, warc_headers_dict=entry.get("warc", {}),
                )
            )  # fmt: skip
    return path


def sound(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.sin(np.arange(8000) / 9), 8000)
    return path
