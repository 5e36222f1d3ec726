"""List the files of a source, check that they are readable, and parse the dates in their paths."""

import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.reading.raw_bytes import GZIP_MAGIC, is_gzip

ZIP_MAGIC = b"PK\x03\x04"
# Spark would unpack some of these by their suffix and read others as text; the independent counter supports only gzip.
UNSUPPORTED_SUFFIXES = frozenset(
    {".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".rar", ".deflate", ".snappy", ".lz4"}
)


def list_files(source: Source, suffixes: frozenset[str] | None = None) -> list[str]:
    """Return the absolute paths of the source's files, sorted. Folders are searched recursively, linked folders
    included.

    Hidden entries and links to folders that are searched anyway are skipped. `suffixes` (lower case, with dot; a final
    `.gz` is looked through) restricts the files of a folder. Raises SourceError if the path is missing, has no such
    file, or a file has an invalid name or cannot be opened.
    """
    root = source.path
    # os.path returns False for a path without permission; Path would raise
    if os.path.isdir(root):
        paths = sorted(path for path in _walk(source, root) if suffixes is None or suffix(path) in suffixes)
    elif os.path.exists(root):
        paths = [root]
    else:
        raise SourceError(
            f"Source {source.name}: {root} does not exist or is not accessible; correct its `path` in the sources file."
        )
    if not paths:
        suffix_hint = f" with a suffix among {', '.join(sorted(suffixes))}" if suffixes else ""
        raise SourceError(f"Source {source.name}: the folder {root} has no file{suffix_hint}; correct its `path`.")
    for path in paths:
        _check_readable(source, path)
    return paths


def list_text_files(source: Source, suffixes: frozenset[str] | None = None) -> list[str]:
    """Return `list_files` for text lines, plain or gzip. Raises SourceError for any other compression."""
    paths = list_files(source, suffixes)
    for path in paths:
        if reason := _compression_error(path):
            raise SourceError(f"Source {source.name}: {path} {reason}.")
    return paths


def suffix(path: str) -> str:
    """Return the last suffix in lower case, before a final `.gz`: `.csv` of `A.CSV.gz`."""
    stem, last = os.path.splitext(path.lower())
    return os.path.splitext(stem)[1] if last == ".gz" else last


def folder_date(path: str) -> date | None:
    """Return the date of the nearest folder `dt=YYYY-MM-DD` above the file. Raises SourceError if that is no date."""
    for part in reversed(Path(path).parts[:-1]):
        if part.startswith("dt="):
            try:
                return date.fromisoformat(part[3:])
            except ValueError:
                raise SourceError(f"{path} is in the folder {part}, which is no date: use dt=YYYY-MM-DD.") from None
    return None


def name_date(path: str) -> date | None:
    """Return the last date of the form YYYY-MM-DD in the file's own name."""
    for text in reversed(re.findall(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)", Path(path).name)):
        try:
            return date.fromisoformat(text)
        except ValueError:
            continue
    return None


def _walk(source: Source, root: str) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise SourceError(f"Source {source.name}: the folder {error.filename} cannot be read: {error.strerror}.")

    roots = [os.path.realpath(root)]
    for folder, folders, names in os.walk(root, onerror=fail, followlinks=True):
        visible = [name for name in sorted(folders) if not _is_hidden(name)]
        folders[:] = [name for name in visible if _should_descend(source, os.path.join(folder, name), roots)]
        yield from (os.path.join(folder, name) for name in names if not _is_hidden(name))


def _should_descend(source: Source, path: str, roots: list[str]) -> bool:
    """Return whether to search a folder. Links are searched, unless their target is searched anyway (as with `latest`).

    `roots`: real paths of the folders that are searched; the target of a new link is added.
    """
    if not os.path.islink(path):
        return True
    target = os.path.realpath(path)
    if f"{os.path.realpath(os.path.dirname(path))}/".startswith(f"{target}/"):
        raise SourceError(f"Source {source.name}: {path} is a link to {target}, which contains the link; remove it.")
    for root in roots:
        below = f"{target}/".removeprefix(f"{root}/")
        if below != f"{target}/" and not any(_is_hidden(name) for name in below.split("/")):
            return False
    roots.append(target)
    return True


def _is_hidden(name: str) -> bool:
    # Spark's own rule: it skips such files silently
    return name.startswith((".", "_")) or name.endswith("._COPYING_")


def _check_readable(source: Source, path: str) -> None:
    where = f"Source {source.name}: {path!r}"
    if _is_hidden(Path(path).name):
        raise SourceError(f"{where} has the name of a hidden file, which Spark skips; rename it.")
    # control characters, line ends, and bytes that are no UTF-8; wide spaces and joiners occur in real titles
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in path):
        raise SourceError(f"{where} has a name with control characters or not in UTF-8; rename it.")
    try:
        # checked first: opening a pipe blocks until a process writes to it
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise SourceError(f"{where} is a pipe, socket or device, no file; remove it.")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise SourceError(f"{where} cannot be read: {error.strerror}.") from None


def _compression_error(path: str) -> str | None:
    with open(path, "rb") as stream:
        head = stream.read(4)
    if os.path.splitext(path.lower())[1] in UNSUPPORTED_SUFFIXES or head == ZIP_MAGIC:
        return "is compressed in a format that is not supported; unpack it, or compress it as .gz"
    if is_gzip(path) and head and not head.startswith(GZIP_MAGIC):
        return "is named .gz but is not gzip; rename it or fetch it again"
    if not is_gzip(path) and head.startswith(GZIP_MAGIC):
        return "is gzip but not named .gz; rename it"
    return None
