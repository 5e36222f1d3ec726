"""Store audio from archives and crawls as files, named by content, in a folder that the operator configures."""

import hashlib
import os
from pathlib import Path
from typing import Any

from pydantic import Field

from jobs.atomic_io import write_atomic
from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.options import Options


class AudioFolder(Options):
    """Option of the formats that store audio."""

    audio_folder: str | None = Field(
        None, pattern="^(/|$)", description='an absolute path, such as "/data/audio", or ""'
    )


def make_audio_folder(source: Source) -> None:
    """Create the folder, if one is configured. Raises SourceError if that fails."""
    if folder := source.options.get("audio_folder"):
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise SourceError(
                f"Source {source.name}: audio_folder {folder} cannot be created: {error.strerror}."
            ) from None


def store_audio(folder: str, body: bytes, suffix: str) -> dict[str, Any]:
    """Write audio atomically, equal bytes to one file. Raises OSError.

    Returns its `path`, `bytes` and `content_hash`.
    """
    content = hashlib.sha256(body).hexdigest()
    path = Path(folder) / content[:2] / f"{content}{suffix}"
    if not path.is_file() or path.stat().st_size != len(body):
        write_atomic(path, body)
    return {"path": str(path), "bytes": len(body), "content_hash": content}
