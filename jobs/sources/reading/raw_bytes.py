"""Read the raw bytes of text files in plain Python, without Spark: chunks, lines, gzip streams and their truncation."""

import contextlib
import os
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import cast

from isal import isal_zlib

BOM = b"\xef\xbb\xbf"
GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1 << 20
TRUNCATED_GZIP = "the gzip stream is truncated"
GzipError = cast("type[Exception]", isal_zlib.error)  # its stub declares an instance
TEXT_PIECE = r"[\x00-\x7f]+|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x80-\xff]"
"""Unit of decoding in a line that is not UTF-8: ASCII, the byte pattern of a UTF-8 character, or any other byte."""
TEXT_PIECES = re.compile(TEXT_PIECE.encode())
MIN_HEADER_BYTES = 128 * 1024
"""Bytes of a gzip member to buffer before it is started: isal rejects some headers that arrive in two parts."""
MAX_LINE_BYTES = 16 * 1024**2
"""A longer line is refused before it is held in memory: the file is of another kind, or hostile."""


def is_gzip(path: str) -> bool:
    """Return whether the file's name ends in .gz, by which Spark recognizes gzip."""
    return path.lower().endswith(".gz")


def has_gzip_magic(path: str) -> bool:
    """Return whether the file's content is gzip, independent of its name."""
    with open(path, "rb") as stream:
        return stream.read(2) == GZIP_MAGIC


def truncated_at_line(path: str) -> int | None:
    """Return the 1-based number of the line at which a gzip stream is truncated; None for other files.

    A damaged stream does not count as truncated: the bytes before the error may be wrong. If the stream ends directly
    after a newline, the number is that of the next line. Cached while the file's size and modification time stay equal.
    """
    state = os.stat(path)
    return _truncated_at_line(path, state.st_size, state.st_mtime_ns) if is_gzip(path) else None


@lru_cache(maxsize=100_000)
def _truncated_at_line(path: str, size: int, changed_ns: int) -> int | None:
    line = 1
    try:
        for chunk in iter_chunks(path):
            line += chunk.count(b"\n")
    except EOFError:
        return line
    except zlib.error:
        return None
    return None


def iter_lines(path: str, truncated: bool = False) -> Iterator[bytes]:
    """Yield the lines in order, without their newlines (carriage returns stay), one in memory at a time.

    With `truncated`, a truncated gzip stream is read as far as it goes. Otherwise raises EOFError for it, zlib.error
    for a damaged one, and OSError for a line of more than MAX_LINE_BYTES.
    """
    open_line: list[bytes] = []
    length = 0
    for chunk in chunks_until_truncation(path) if truncated else iter_chunks(path):
        first, *rest = chunk.split(b"\n")
        open_line.append(first)
        length += len(first)
        if length > MAX_LINE_BYTES:
            raise OSError(f"{path} has a line that is longer than {MAX_LINE_BYTES // 2**20} MiB")
        if not rest:
            continue
        length = len(rest[-1])
        yield b"".join(open_line)
        yield from rest[:-1]
        open_line = [rest[-1]]
    if last := b"".join(open_line):
        yield last


def iter_line_blocks(path: str, truncated: bool = False) -> Iterator[bytes]:
    """Yield the unpacked bytes in blocks of complete lines; a newline is added to an unterminated last line.

    `truncated`: see `iter_lines`.
    """
    open_line: list[bytes] = []
    for chunk in chunks_until_truncation(path) if truncated else iter_chunks(path):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield b"".join([*open_line, chunk[:end]])
            open_line = []
        open_line.append(chunk[end:])
    if last := b"".join(open_line):
        yield last + b"\n"


def decode_line(line: bytes) -> str:
    """Decode a line exactly as `lines.decode_text` does in Spark."""
    try:
        return line.decode().rstrip("\r")
    except UnicodeDecodeError:
        return "".join(_decode_piece(match[0]) for match in TEXT_PIECES.finditer(line)).rstrip("\r")


def _decode_piece(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def chunks_until_truncation(path: str) -> Iterator[bytes]:
    """Yield chunks like `iter_chunks`, but end without an error where the gzip stream is truncated."""
    with contextlib.suppress(EOFError):
        yield from iter_chunks(path)


def iter_chunks(path: str, max_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Yield the unpacked bytes in non-empty chunks of about `max_bytes`, without a byte order mark at the start."""
    head, started = b"", False
    for chunk in gunzip_chunks(path, max_bytes) if is_gzip(path) else file_chunks(path):
        if started:
            yield chunk
            continue
        head += chunk
        if len(head) >= len(BOM):
            started = True
            if rest := head.removeprefix(BOM):
                yield rest
    if head and not started:
        yield head


def file_chunks(path: str) -> Iterator[bytes]:
    """Yield the stored bytes of a file in chunks."""
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def gunzip_chunks(path: str, max_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Unpack the gzip members one after the other, in chunks of at most `max_bytes`.

    As strict as Spark's reader: the gzip module accepts padding that Spark rejects. isal takes a third of zlib's time
    and verifies the same checksums. Raises EOFError for a truncated stream and zlib.error for a damaged one.
    """
    member = isal_zlib.decompressobj(wbits=31)
    in_member, buffered = False, b""
    for read in _with_end_marker(file_chunks(path)):
        data, buffered = buffered + read, b""
        while data:
            if not in_member and len(data) < MIN_HEADER_BYTES and read:
                buffered = data
                break
            in_member = True
            try:
                unpacked = member.decompress(data, max_bytes)
            except GzipError as error:
                raise zlib.error(str(error)) from None
            if unpacked:
                yield unpacked
            # either the bound on the output was reached (continue with the tail), or the member ended (start the next)
            data = member.unconsumed_tail
            if member.eof:
                data = member.unused_data
                member, in_member = isal_zlib.decompressobj(wbits=31), False
    if in_member:
        raise EOFError(TRUNCATED_GZIP)


def _with_end_marker(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks and then an empty one."""
    yield from chunks
    yield b""
