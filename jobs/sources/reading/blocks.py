"""Read the lines of large text files in blocks for the fast path, without creating a Python object per line."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jobs.sources.reading.raw_bytes import BOM, MAX_LINE_BYTES, is_gzip, iter_chunks

BLOCK_BYTES = 8 * 1024**2
"""Unpacked bytes per block: some 50,000 log lines. The cost per call is negligible, and the block is small in a task's
memory.
"""
SPLIT_BYTES = 64 * 1024**2
"""A plain file is divided into ranges of this size for as many tasks. A .gz can only be read from its start."""


@dataclass(frozen=True)
class ByteRange:
    """The lines of a file that start at or after byte `start` and before `stop` (offsets in the stored file; -1: to its
    end).
    """

    file: str
    start: int
    stop: int


def byte_ranges(file: str, size: int) -> list[ByteRange]:
    """Divide a file of `size` bytes into ranges."""
    if is_gzip(file):
        return [ByteRange(file, 0, -1)]
    return [ByteRange(file, start, min(start + SPLIT_BYTES, size)) for start in range(0, size, SPLIT_BYTES)]


def line_blocks(byte_range: ByteRange) -> Iterator[pa.LargeBinaryArray]:
    """Yield the lines of a range in order, in blocks. Each line includes its newline; an unterminated last line gets
    one.

    A line belongs to the range in which it starts. A byte order mark at the start of the file is dropped. Raises
    OSError where the file cannot be read to its end.
    """
    unfinished = b""
    for chunk in _range_bytes(byte_range):
        data = unfinished + chunk
        end = data.rfind(b"\n") + 1
        if end:
            yield _line_array(data, end)
        unfinished = data[end:]
        if len(unfinished) > MAX_LINE_BYTES:
            raise OSError(f"{byte_range.file} has a line that is longer than {MAX_LINE_BYTES // 2**20} MiB")
    if unfinished:
        yield _line_array(unfinished + b"\n", len(unfinished) + 1)


def _line_array(data: bytes, end: int) -> pa.LargeBinaryArray:
    """Wrap `data[:end]`, which ends with a newline, as an array of lines that shares its memory."""
    breaks = np.flatnonzero(np.frombuffer(data, np.uint8, end) == ord("\n"))
    offsets = np.empty(len(breaks) + 1, np.int64)
    offsets[0] = 0
    np.add(breaks, 1, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(breaks), buffers)


def _range_bytes(byte_range: ByteRange) -> Iterator[bytes]:
    if is_gzip(byte_range.file):
        yield from iter_chunks(byte_range.file, BLOCK_BYTES)
        return
    for number, chunk in enumerate(_plain_bytes(byte_range)):
        yield chunk.removeprefix(BOM) if number == 0 and byte_range.start == 0 else chunk


def _plain_bytes(byte_range: ByteRange) -> Iterator[bytes]:
    """Yield the bytes from the first line that starts in the range to the end of the last one."""
    with open(byte_range.file, "rb") as stream:
        if byte_range.start:
            stream.seek(byte_range.start - 1)
            while (chunk := stream.readline(BLOCK_BYTES)) and not chunk.endswith(b"\n"):
                pass
        while stream.tell() < byte_range.stop:
            chunk = stream.read(min(BLOCK_BYTES, byte_range.stop - stream.tell()))
            if not chunk:
                return
            yield chunk
        stream.seek(-1, 1)
        if stream.read(1) not in (b"\n", b""):
            yield stream.readline(MAX_LINE_BYTES + 1)
