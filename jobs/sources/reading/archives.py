"""Read tar archives, plain or gzip, member by member as a stream. Nothing is written to disk, and one member is in
memory at a time.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from jobs.sources.reading.files import suffix
from jobs.sources.reading.independent_counts.tar_members import MAX_HEADER_BYTES
from jobs.sources.reading.raw_bytes import has_gzip_magic

ARCHIVES = frozenset({".tar", ".tgz"})
"""Suffixes of archives; `suffix` looks through the .gz of .tar.gz."""
MAX_MEMBER_BYTES = 256 * 1024**2
"""A larger member is rejected, because it must fit into memory."""
CHUNK_BYTES = 256 * 1024
TAR_ERRORS = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, RecursionError)
"""Errors that reading a damaged or hostile archive raises."""


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    number: int
    """Position in the archive, from 1."""
    name: str
    rule: str | None = None
    """Code of the rule by which the member is rejected; None: it is accepted."""
    reason: str = ""
    data: bytes | None = None
    """Content of a selected file; None for rejected members, folders and other files."""


class ForwardStream(io.RawIOBase):
    """A stream for `tarfile` that only moves forwards, and limits each read to the size of a header.

    `tarfile`'s own stream mode would read a long name of any size into memory.
    """

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self.stream, self.offset = stream, 0

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes. Raises ReadError if that is more than a header may have."""
        if not 0 <= size <= MAX_HEADER_BYTES + 512:
            raise tarfile.ReadError(f"it has a header of {size} bytes")
        data = self.stream.read(size)
        self.offset += len(data)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Skip forwards to `offset`, or to the end if that comes first. Raises ReadError for a backward seek."""
        if whence or offset < self.offset:
            raise tarfile.ReadError("it points backwards")
        while self.offset < offset and self.read(min(CHUNK_BYTES, offset - self.offset)):
            pass
        return self.offset

    def tell(self) -> int:
        """Return the number of bytes read so far."""
        return self.offset


def is_archive(path: str) -> bool:
    """Return whether the name is that of a tar archive."""
    return suffix(path) in ARCHIVES


def iter_members(path: str, suffixes: frozenset[str], limit: int = MAX_MEMBER_BYTES) -> Iterator[Member]:
    """Yield every member in order. A file with one of the suffixes has its data, a rejected member has its rule.

    Raises one of TAR_ERRORS where the archive cannot be read further.
    """
    open_archive = gzip.open if has_gzip_magic(path) else open
    with open_archive(path, "rb") as stream, tarfile.TarFile(fileobj=ForwardStream(stream)) as archive:
        number = 0
        while info := archive.next():
            number += 1
            vars(archive)["members"].clear()  # otherwise tarfile keeps a description of each
            yield _member(archive, info, number, suffixes, limit)


def _member(
    archive: tarfile.TarFile, info: tarfile.TarInfo, number: int, suffixes: frozenset[str], limit: int
) -> Member:
    name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[:300]
    if rejection := _rejection(info, name, limit):
        return Member(number, name, *rejection)
    if not _is_selected(info, suffixes):
        return Member(number, name)
    return Member(number, name, data=_data(archive, info))


def _rejection(info: tarfile.TarInfo, name: str, limit: int) -> tuple[str, str] | None:
    """Return the rule and reason by which a member is rejected, whatever its type; None if it is accepted."""
    if info.name.startswith("/") or ".." in PurePosixPath(info.name).parts:
        return "unsafe_path", f"the path of member {name} leads out of the archive"
    if not (info.isreg() or info.isdir()):
        return "not_a_file", f"the member {name} is a link or device"
    if info.isreg() and (info.size > limit or info.issparse()):
        return (
            "too_large",
            f"the member {name} has more than {limit // 1024**2} MiB; unpack it, and name the file itself",
        )
    return None


def _is_selected(info: tarfile.TarInfo, suffixes: frozenset[str]) -> bool:
    """Return whether a member is read. Hidden files are skipped as in folders: macOS adds one to each file."""
    hidden = PurePosixPath(info.name).name.startswith((".", "_"))
    return info.isreg() and not hidden and PurePosixPath(info.name).suffix.lower() in suffixes


def _data(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(info)
    chunks = [] if stream is None else list(iter(lambda: stream.read(CHUNK_BYTES), b""))
    return b"".join(chunks)
