"""Lines of large text files in blocks, for the quick way in: no line becomes a Python object."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jobs.sources.reading.raw import BOM, LINE_BYTES, chunks, is_gzip

BLOCK_BYTES = 8 * 1024**2
"""Unpacked bytes per block: some 50,000 log lines, so that the cost per call vanishes, and small beside a task's memory."""
SPLIT_BYTES = 64 * 1024**2
"""A plain file is read in ranges of this size, by as many tasks; a packed one can only be read from its start."""


@dataclass(frozen=True)
class Range:
    """The lines of a file that start at or after byte `start` and before `stop` (of the file as it lies; -1: to its end)."""

    file: str
    start: int
    stop: int


def ranges(file: str, size: int) -> list[Range]:
    """The ranges that together are the whole file of `size` bytes."""
    if is_gzip(file):
        return [Range(file, 0, -1)]
    return [Range(file, start, min(start + SPLIT_BYTES, size)) for start in range(0, size, SPLIT_BYTES)]


def blocks(part: Range) -> Iterator[pa.LargeBinaryArray]:
    """The lines of a range in order, each with its newline (the last line of a file is given one), a block at a time.

    A line belongs to the range in which it starts. A byte order mark at the start of the file is gone.
    Raises OSError where the file cannot be read to its end.
    """
    rest = b""
    for piece in _bytes(part):
        data = rest + piece
        end = data.rfind(b"\n") + 1
        if end:
            yield _lines(data, end)
        rest = data[end:]
        if len(rest) > LINE_BYTES:
            raise OSError(f"{part.file} has a line that is longer than {LINE_BYTES // 2**20} MiB")
    if rest:
        yield _lines(rest + b"\n", len(rest) + 1)


def _lines(data: bytes, end: int) -> pa.LargeBinaryArray:
    """`data[:end]`, which ends with a newline, as an array of lines that shares its memory."""
    breaks = np.flatnonzero(np.frombuffer(data, np.uint8, end) == ord("\n"))
    offsets = np.empty(len(breaks) + 1, np.int64)
    offsets[0] = 0
    np.add(breaks, 1, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(breaks), buffers)


def _bytes(part: Range) -> Iterator[bytes]:
    if is_gzip(part.file):
        yield from chunks(part.file, BLOCK_BYTES)
        return
    for number, piece in enumerate(_plain(part)):
        yield piece.removeprefix(BOM) if number == 0 and part.start == 0 else piece


def _plain(part: Range) -> Iterator[bytes]:
    """Bytes from the first line that starts in the range to the end of the last one that does."""
    with open(part.file, "rb") as stream:
        if part.start:
            stream.seek(part.start - 1)
            while (piece := stream.readline(BLOCK_BYTES)) and not piece.endswith(b"\n"):
                pass
        while stream.tell() < part.stop:
            piece = stream.read(min(BLOCK_BYTES, part.stop - stream.tell()))
            if not piece:
                return
            yield piece
        stream.seek(-1, 1)
        if stream.read(1) not in (b"\n", b""):
            yield stream.readline(LINE_BYTES + 1)
