"""Small files of the lake (manifests, model cards) on any file system that both Arrow and Spark can write."""

import datetime as dt
import json
import os
import posixpath
import re
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pyarrow import fs


@dataclass(frozen=True)
class File:
    """A file's name below the store's root, and when it was last changed (UTC)."""

    name: str
    changed: dt.datetime


def literal(path: str) -> str:
    """Escape a path for Spark's readers, which expand `*`, `[` and the like."""
    return re.sub(r"([\\{}\[\]*?])", r"\\\1", path)


class FileStore:
    """A folder or object-store prefix; its files are written atomically.

    Writes go through Arrow and not through jobs/atomic_io.py, because the root may be an object store.
    """

    def __init__(self, root: str) -> None:
        """`root`: a folder or a URI such as s3://bucket/lake. Nothing is created before the first write."""
        location = root.rstrip("/")
        self._fs, self._base = fs.FileSystem.from_uri(location if "://" in location else os.path.abspath(location))
        self._local = isinstance(self._fs, fs.LocalFileSystem)
        # a folder may have any name; Arrow decodes the escapes of a URI, Spark does not
        self.root = self._base if self._local else location

    def path(self, name: str) -> str:
        """Return the location of `name`, for Spark to write there."""
        return f"file:{self.root}/{name}" if self._local else f"{self.root}/{name}"

    def pattern(self, name: str) -> str:
        """Return `path(name)` escaped for Spark's readers, which expand `*`, `[` and the like."""
        return literal(self.path(name))

    def exists(self, name: str) -> bool:
        """Return True if there is a file or folder of this name."""
        return bool(self._fs.get_file_info(self._at(name)).type != fs.FileType.NotFound)

    def folders(self, name: str) -> list[str]:
        """Return the names of the folders directly under `name`, sorted; empty if `name` does not exist."""
        selector = fs.FileSelector(self._at(name), allow_not_found=True)
        return sorted(i.base_name for i in self._fs.get_file_info(selector) if i.type == fs.FileType.Directory)

    def walk(self, name: str = "") -> list[File]:
        """Return every file under `name`, hidden ones too, sorted; empty if `name` does not exist."""
        selector = fs.FileSelector(self._at(name).rstrip("/"), allow_not_found=True, recursive=True)
        entries = [i for i in self._fs.get_file_info(selector) if i.type == fs.FileType.File]
        return sorted((File(i.path.removeprefix(f"{self._base}/"), i.mtime) for i in entries), key=lambda file: file.name)

    def files(self, name: str) -> list[str]:
        """Return the names of the files directly under `name`, sorted; empty if `name` does not exist."""
        selector = fs.FileSelector(self._at(name), allow_not_found=True)
        return sorted(i.base_name for i in self._fs.get_file_info(selector) if i.type == fs.FileType.File)

    def remove(self, name: str) -> None:
        """Delete a file, or a folder with its content; does nothing if there is neither."""
        kind = self._fs.get_file_info(self._at(name)).type
        if kind == fs.FileType.Directory:
            self._fs.delete_dir(self._at(name))
        elif kind == fs.FileType.File:
            self._fs.delete_file(self._at(name))

    def uri(self, name: str) -> str:
        """Return the name for Arrow in other processes: a URI, or the path if a URI would escape characters of it."""
        location = f"{self.root}/{name}"
        return f"file://{location}" if self._local and quote(location, safe="/=") == location else location

    def read_bytes(self, name: str) -> bytes:
        """Return the content of a file. Raises FileNotFoundError."""
        with self._fs.open_input_stream(self._at(name)) as stream:
            return bytes(stream.read())

    def read_json(self, name: str) -> Any:
        """Return the content of a file parsed as JSON. Raises FileNotFoundError."""
        return json.loads(self.read_bytes(name))

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write atomically: to a temporary file that is then renamed; on an object store, a put is atomic by itself."""
        target = self._at(name)
        self._fs.create_dir(posixpath.dirname(target), recursive=True)
        aside = f"{posixpath.dirname(target)}/.{uuid.uuid4().hex}.tmp"
        with self._fs.open_output_stream(aside) as stream:
            stream.write(data)
        self._fs.move(aside, target)

    def write_json(self, name: str, value: Any) -> None:
        """Write `value` as readable JSON with sorted keys, atomically."""
        self.write_bytes(name, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())

    def _at(self, name: str) -> str:
        return f"{self._base}/{name}"
