"""A packed file's bytes for the second readers: forwards only, a piece at a time, never past what a harmless file unpacks to."""

from pathlib import Path

from jobs.sources.reading import raw
from jobs.sources.reading.files import GZIP_MAGIC

TOTAL_BYTES = 64 * 1024**3
"""A file may unpack to this much: a tenth of the whole MSD is 28 GB."""
BOMB_BYTES, BOMB_RATIO = 1024**3, 200
"""What unpacks to more than the first, and to more than so many times its size, is a bomb: HDF5 packs 1.3 times, web pages 10."""


class Unpacked:
    """Raises EOFError where the file is cut short, OSError past the limits, zlib.error where it is damaged."""

    def __init__(self, path: str) -> None:
        self.limit = min(TOTAL_BYTES, max(BOMB_BYTES, BOMB_RATIO * Path(path).stat().st_size))
        self.pieces = raw.unzipped(path) if is_packed(path) else raw.plain(path)
        self.piece, self.at, self.total = b"", 0, 0

    def take(self, size: int, keep: bool = True) -> bytes:
        """The next `size` bytes; nothing where they are not kept."""
        kept, missing = [], size
        while missing:
            if not self._filled():
                raise EOFError("it is cut short")
            found = self._next(self.at + missing)
            missing -= len(found)
            if keep:
                kept.append(found)
        return b"".join(kept)

    def line(self, limit: int) -> bytes:
        """The next line with its newline, which the last may lack; empty at the end. OSError where it is longer than `limit`."""
        kept, size = [], 0
        while self._filled():
            end = self.piece.find(b"\n", self.at) + 1
            kept.append(self._next(end or len(self.piece)))
            size += len(kept[-1])
            if size > limit:
                raise OSError(f"it has a header line of more than {limit} bytes")
            if end:
                break
        return b"".join(kept)

    def require_zeros(self) -> None:
        """Raise OSError where anything but zeros is left: members of a second archive, which nobody would read."""
        while self._filled():
            if self._next(len(self.piece)).strip(b"\0"):
                raise OSError("something follows its end mark: a second archive was put behind it")

    def _next(self, end: int) -> bytes:
        """What the piece at hand has from here to `end`."""
        found = self.piece[self.at : end]
        self.at += len(found)
        return found

    def _filled(self) -> bool:
        """Whether there is a byte to be had, after an attempt to get some."""
        if self.at < len(self.piece):
            return True
        self.piece, self.at = next(self.pieces, b""), 0
        self.total += len(self.piece)
        if self.total > self.limit:
            raise OSError(f"it unpacks to more than {self.limit // 1024**2} MiB, the limit for a file of its size")
        return bool(self.piece)


def is_packed(path: str) -> bool:
    """Whether the file is gzip, whatever it is called."""
    with open(path, "rb") as stream:
        return stream.read(2) == GZIP_MAGIC
