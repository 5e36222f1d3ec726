"""Audio that came packed (in archives, in crawls) as files of its own: under a folder the operator names, by content."""

import hashlib
import os
import uuid
from pathlib import Path
from typing import Any

from jobs.errors import SourceError
from jobs.sources.contract import Source


def check_folder(source: Source) -> None:
    """Raise SourceError unless the option `audio_folder`, where it is given, is an absolute path or empty."""
    folder = source.options.get("audio_folder", "")
    if not isinstance(folder, str) or (folder and not os.path.isabs(folder)):
        raise SourceError(f'Source {source.name}: audio_folder is an absolute path, such as "/data/audio", or "".')


def make_folder(source: Source) -> None:
    """Make the folder, if one is named. Raises SourceError where that fails."""
    if folder := source.options.get("audio_folder"):
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise SourceError(f"Source {source.name}: audio_folder {folder} cannot be made: {error.strerror}.") from None


def store(folder: str, body: bytes, suffix: str) -> dict[str, Any]:
    """Write audio whole or not at all; equal bytes are one file. `path`, `bytes`, `content_hash` of it. Raises OSError."""
    content = hashlib.sha256(body).hexdigest()
    path = Path(folder) / content[:2] / f"{content}{suffix}"
    if not path.is_file() or path.stat().st_size != len(body):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        part.write_bytes(body)
        os.replace(part, path)
    return {"path": str(path), "bytes": len(body), "content_hash": content}
