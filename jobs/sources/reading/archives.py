"""Tar archives, plain or gzip, member by member in a stream: nothing is written to disk, and no more than one member is held."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from jobs.sources.reading.files import suffix
from jobs.sources.reading.raw_tar import HEADER_BYTES
from jobs.sources.reading.unpacked import is_packed

ARCHIVES = frozenset({".tar", ".tgz"})
"""Suffixes; `suffix` looks through the .gz of .tar.gz."""
MEMBER_BYTES = 256 * 1024**2
"""A larger member is rejected: it must fit into memory."""
PIECE = 256 * 1024
TAR_FAULTS = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, RecursionError)
"""What reading a damaged or hostile archive raises."""


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    number: int
    """Its place in the archive, from 1."""
    name: str
    rule: str | None = None
    """Set where the member is refused."""
    reason: str = ""
    data: bytes | None = None
    """None: refused, or a folder or file that is not wanted."""


class Forwards(io.RawIOBase):
    """A stream for `tarfile` that only goes forwards, and gives no more than a header's bound at once.

    `tarfile`'s own stream mode would read a long name of any size into memory.
    """

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self.stream, self.place = stream, 0

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes. Raises ReadError where that is more than a header may have."""
        if not 0 <= size <= HEADER_BYTES + 512:
            raise tarfile.ReadError(f"it has a header of {size} bytes")
        data = self.stream.read(size)
        self.place += len(data)
        return data

    def seek(self, place: int, whence: int = 0, /) -> int:
        """Go forwards to `place`, or to the end where that comes first."""
        if whence or place < self.place:
            raise tarfile.ReadError("it points backwards")
        while self.place < place and self.read(min(PIECE, place - self.place)):
            pass
        return self.place

    def tell(self) -> int:
        """Bytes read so far."""
        return self.place


def is_archive(path: str) -> bool:
    """Whether the name says that it is a tar archive."""
    return suffix(path) in ARCHIVES


def members(path: str, suffixes: frozenset[str], limit: int = MEMBER_BYTES) -> Iterator[Member]:
    """Every member in order: with its bytes where it is a file with one of the suffixes, with a rule where it is refused.

    Raises one of TAR_FAULTS where the archive cannot be read on.
    """
    opened = gzip.open if is_packed(path) else open
    with opened(path, "rb") as stream, tarfile.TarFile(fileobj=Forwards(stream)) as archive:
        number = 0
        while info := archive.next():
            number += 1
            vars(archive)["members"].clear()  # or it would hold a description of each
            yield _member(archive, info, number, suffixes, limit)


def _member(archive: tarfile.TarFile, info: tarfile.TarInfo, number: int, suffixes: frozenset[str], limit: int) -> Member:
    name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[:300]
    if refused := _refusal(info, name, limit):
        return Member(number, name, *refused)
    if not _wanted(info, suffixes):
        return Member(number, name)
    return Member(number, name, data=_data(archive, info))


def _refusal(info: tarfile.TarInfo, name: str, limit: int) -> tuple[str, str] | None:
    """Rule and reason for which a member is refused, whatever its kind."""
    if info.name.startswith("/") or ".." in PurePosixPath(info.name).parts:
        return "unsafe_path", f"the member {name} names a place outside the archive"
    if not (info.isreg() or info.isdir()):
        return "not_a_file", f"the member {name} is a link or device"
    if info.isreg() and (info.size > limit or info.issparse()):
        return "too_large", f"the member {name} has more than {limit // 1024**2} MiB; unpack it, and name the file itself"
    return None


def _wanted(info: tarfile.TarInfo, suffixes: frozenset[str]) -> bool:
    """Hidden files are left out, as they are in a folder: macOS puts one beside each file."""
    hidden = PurePosixPath(info.name).name.startswith((".", "_"))
    return info.isreg() and not hidden and PurePosixPath(info.name).suffix.lower() in suffixes


def _data(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(info)
    pieces = [] if stream is None else list(iter(lambda: stream.read(PIECE), b""))
    return b"".join(pieces)
