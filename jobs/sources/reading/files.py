"""Which files a source names, whether they can be read, and what date their names tell."""

import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.reading.raw import is_gzip

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
# Spark would unpack some of these by their suffix and read others as text; the independent reader knows only gzip.
REFUSED = frozenset({".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".rar", ".deflate", ".snappy", ".lz4"})


def listing(source: Source, suffixes: frozenset[str] | None = None) -> list[str]:
    """Absolute paths of the source's files, sorted; a folder is searched to its bottom, links to other folders included.

    Hidden entries are left out, and links to what is searched anyway.

    `suffixes` (lower case, with dot; a final `.gz` is looked through) restricts what is taken from a folder.
    Raises SourceError where the path is missing, holds no such file, or a file cannot be named or opened.
    """
    root = source.path
    # of os.path, which says no where it may not look; Path would raise
    if os.path.isdir(root):
        found = sorted(path for path in _walk(source, root) if suffixes is None or suffix(path) in suffixes)
    elif os.path.exists(root):
        found = [root]
    else:
        raise SourceError(f"Source {source.name}: {root} is not there, or not to be seen; correct its `path` in the sources file.")
    if not found:
        wanted = f" with a suffix among {', '.join(sorted(suffixes))}" if suffixes else ""
        raise SourceError(f"Source {source.name}: the folder {root} holds no file{wanted}; correct its `path`.")
    for path in found:
        _check_readable(source, path)
    return found


def text_listing(source: Source, suffixes: frozenset[str] | None = None) -> list[str]:
    """`listing` for files of text lines, plain or gzip; raises SourceError for any other packing."""
    found = listing(source, suffixes)
    for path in found:
        if reason := _packing_fault(path):
            raise SourceError(f"Source {source.name}: {path} {reason}.")
    return found


def suffix(path: str) -> str:
    """Last suffix in lower case, a final `.gz` looked through: `.csv` of `A.CSV.gz`."""
    stem, last = os.path.splitext(path.lower())
    return os.path.splitext(stem)[1] if last == ".gz" else last


def folder_date(path: str) -> date | None:
    """Date of the nearest folder `dt=YYYY-MM-DD` above the file. Raises SourceError where that is no date."""
    for part in reversed(Path(path).parts[:-1]):
        if part.startswith("dt="):
            try:
                return date.fromisoformat(part[3:])
            except ValueError:
                raise SourceError(f"{path} lies in the folder {part}, which is no date: use dt=YYYY-MM-DD.") from None
    return None


def name_date(path: str) -> date | None:
    """The last YYYY-MM-DD in the file's own name that is a date."""
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
        seen = [name for name in sorted(folders) if not _hidden(name)]
        folders[:] = [name for name in seen if _leads_on(source, os.path.join(folder, name), roots)]
        yield from (os.path.join(folder, name) for name in names if not _hidden(name))


def _leads_on(source: Source, path: str, roots: list[str]) -> bool:
    """Whether a folder is to be searched: a link is, unless it leads to where the search comes without it, as `latest` does.

    `roots`: real paths of the folders from which all is searched; a link to another one is added.
    """
    if not os.path.islink(path):
        return True
    target = os.path.realpath(path)
    if f"{os.path.realpath(os.path.dirname(path))}/".startswith(f"{target}/"):
        raise SourceError(f"Source {source.name}: {path} is a link to {target}, which holds the link itself; take it away.")
    for root in roots:
        below = f"{target}/".removeprefix(f"{root}/")
        if below != f"{target}/" and not any(_hidden(name) for name in below.split("/")):
            return False
    roots.append(target)
    return True


def _hidden(name: str) -> bool:
    # Spark's own rule: it passes over such files without a word.
    return name.startswith((".", "_")) or name.endswith("._COPYING_")


def _check_readable(source: Source, path: str) -> None:
    where = f"Source {source.name}: {path!r}"
    if _hidden(Path(path).name):
        raise SourceError(f"{where} has the name of a hidden file, which Spark passes over; rename it.")
    # control characters, ends of lines, and bytes that are no UTF-8; a wide space or a joiner stands in honest titles
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in path):
        raise SourceError(f"{where} has a name with control characters or not in UTF-8; rename it.")
    try:
        # asked first: to open a pipe is to wait until somebody writes into it
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise SourceError(f"{where} is a pipe, socket or device, no file; take it away.")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise SourceError(f"{where} cannot be read: {error.strerror}.") from None


def _packing_fault(path: str) -> str | None:
    with open(path, "rb") as stream:
        head = stream.read(4)
    if os.path.splitext(path.lower())[1] in REFUSED or head == ZIP_MAGIC:
        return "is packed in a way that is not read line by line; unpack it, or pack it as .gz"
    if is_gzip(path) and head and not head.startswith(GZIP_MAGIC):
        return "is named .gz but is not gzip; rename it or fetch it again"
    if not is_gzip(path) and head.startswith(GZIP_MAGIC):
        return "is gzip but not named .gz; rename it"
    return None
