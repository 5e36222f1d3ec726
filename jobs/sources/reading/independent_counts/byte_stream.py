"""Read a file's unpacked bytes forwards, in chunks, and stop at sizes that no harmless file unpacks to."""

from pathlib import Path

from jobs.sources.reading.raw_bytes import file_chunks, gunzip_chunks, has_gzip_magic

MAX_UNPACKED_BYTES = 64 * 1024**3
"""Limit for any file: a tenth of the whole MSD is 28 GB."""
MIN_BOMB_BYTES, MAX_RATIO = 1024**3, 200
"""A file is a decompression bomb if it unpacks to more than the first, and to more than so many times its size.

HDF5 has a ratio of 1.3, web pages of 10."""


class ByteStream:
    """Forward reader of a plain or gzip file.

    Raises EOFError where the file is truncated, OSError past the limits, zlib.error where it is damaged.
    """

    def __init__(self, path: str) -> None:
        self.limit = min(MAX_UNPACKED_BYTES, max(MIN_BOMB_BYTES, MAX_RATIO * Path(path).stat().st_size))
        self.chunks = gunzip_chunks(path) if has_gzip_magic(path) else file_chunks(path)
        self.chunk, self.offset, self.total = b"", 0, 0

    def take(self, size: int, keep: bool = True) -> bytes:
        """Read the next `size` bytes; return nothing where they are not kept."""
        pieces, missing = [], size
        while missing:
            if not self._has_data():
                raise EOFError("it is truncated")
            piece = self._up_to(self.offset + missing)
            missing -= len(piece)
            if keep:
                pieces.append(piece)
        return b"".join(pieces)

    def line(self, limit: int) -> bytes:
        """Read the next line with its newline (absent on an unterminated last line); empty at the end.

        Raises OSError for a line of more than `limit` bytes.
        """
        pieces, size = [], 0
        while self._has_data():
            end = self.chunk.find(b"\n", self.offset) + 1
            pieces.append(self._up_to(end or len(self.chunk)))
            size += len(pieces[-1])
            if size > limit:
                raise OSError(f"it has a header line of more than {limit} bytes")
            if end:
                break
        return b"".join(pieces)

    def require_zeros(self) -> None:
        """Raise OSError if the rest is not all zeros: members of a second archive, which would not be read."""
        while self._has_data():
            if self._up_to(len(self.chunk)).strip(b"\0"):
                raise OSError("data follows its end mark: a second archive was appended")

    def _up_to(self, end: int) -> bytes:
        """Return the current chunk's bytes from the offset to `end`."""
        piece = self.chunk[self.offset : end]
        self.offset += len(piece)
        return piece

    def _has_data(self) -> bool:
        """Load the next chunk if the current one is used up; return whether a byte is left."""
        if self.offset < len(self.chunk):
            return True
        self.chunk, self.offset = next(self.chunks, b""), 0
        self.total += len(self.chunk)
        if self.total > self.limit:
            raise OSError(f"it unpacks to more than {self.limit // 1024**2} MiB, the limit for a file of its size")
        return bool(self.chunk)
