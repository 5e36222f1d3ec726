"""Small files of the lake (manifests, model cards) on any file system that both Arrow and Spark can write."""

import datetime as dt
import json
import posixpath
import uuid
from dataclasses import dataclass
from typing import Any

from pyarrow import fs


@dataclass(frozen=True)
class File:
    """A file's name below the store's root, and when it was last changed (UTC)."""

    name: str
    changed: dt.datetime


class Store:
    """A folder or object-store prefix with text files that appear whole or not at all."""

    def __init__(self, root: str) -> None:
        """`root`: a folder or a URI such as s3://bucket/lake. Nothing is created until something is written."""
        self.root = root.rstrip("/")
        self._fs, self._base = fs.FileSystem.from_uri(self.root if "://" in self.root else f"file://{self.root}")

    def path(self, name: str) -> str:
        """The URI of `name`, for Spark."""
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        """True if there is a file or folder of this name."""
        return bool(self._fs.get_file_info(self._at(name)).type != fs.FileType.NotFound)

    def folders(self, name: str) -> list[str]:
        """Names of the folders directly under `name`, sorted; empty where `name` does not exist."""
        selector = fs.FileSelector(self._at(name), allow_not_found=True)
        return sorted(i.base_name for i in self._fs.get_file_info(selector) if i.type == fs.FileType.Directory)

    def walk(self, name: str = "") -> list[File]:
        """Every file under `name`, hidden ones too, sorted; empty where `name` does not exist."""
        selector = fs.FileSelector(self._at(name).rstrip("/"), allow_not_found=True, recursive=True)
        found = [i for i in self._fs.get_file_info(selector) if i.type == fs.FileType.File]
        return sorted((File(i.path.removeprefix(f"{self._base}/"), i.mtime) for i in found), key=lambda file: file.name)

    def files(self, name: str) -> list[str]:
        """Names of the files directly under `name`, sorted; empty where `name` does not exist."""
        selector = fs.FileSelector(self._at(name), allow_not_found=True)
        return sorted(i.base_name for i in self._fs.get_file_info(selector) if i.type == fs.FileType.File)

    def remove(self, name: str) -> None:
        """Delete a file, or a folder with all that it holds; nothing happens where there is neither."""
        kind = self._fs.get_file_info(self._at(name)).type
        if kind == fs.FileType.Directory:
            self._fs.delete_dir(self._at(name))
        elif kind == fs.FileType.File:
            self._fs.delete_file(self._at(name))

    def uri(self, name: str) -> str:
        """The URI of `name` with its scheme, for Arrow in other processes."""
        return self.path(name) if "://" in self.root else f"file://{self.path(name)}"

    def read_bytes(self, name: str) -> bytes:
        """The file's content; FileNotFoundError where there is none."""
        with self._fs.open_input_stream(self._at(name)) as stream:
            return bytes(stream.read())

    def read_json(self, name: str) -> Any:
        """The file parsed as JSON; FileNotFoundError where there is none."""
        return json.loads(self.read_bytes(name))

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write atomically: aside and renamed on a file system; an object store's put is atomic by itself."""
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
