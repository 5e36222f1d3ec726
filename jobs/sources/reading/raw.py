"""The second reader: raw bytes to lines in plain Python, with nothing of Spark in it, so that its counts are evidence."""

import contextlib
import os
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import cast

from isal import isal_zlib

BOM = b"\xef\xbb\xbf"
CHUNK = 1 << 20
CUT_SHORT = "the gzip stream is cut short"
DAMAGED = cast("type[Exception]", isal_zlib.error)  # its stub says that it is an instance
PIECE = r"[\x00-\x7f]+|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x80-\xff]"
"""What of a line that is not UTF-8 is decoded by itself: ASCII, what has the shape of a character in UTF-8, any other byte."""
PIECES = re.compile(PIECE.encode())
HEADER = 128 * 1024
"""Bytes of a gzip member to have at hand before it is begun: isal refuses some headers that come in two parts."""
LINE_BYTES = 16 * 1024**2
"""A longer line is refused before anybody tries to hold it: a file of another kind, or one made to fill the memory."""


def is_gzip(path: str) -> bool:
    """Whether the name says gzip: what Spark goes by."""
    return path.lower().endswith(".gz")


def count_lines(path: str, cut: bool = False) -> int:
    """Lines of a plain or gzip file; a last line without a newline counts. Raises OSError, EOFError or zlib.error.

    `cut`: the file is known to be cut short; what stands before the cut is counted.
    """
    lines, ends_open, length = 0, False, 0
    for chunk in before_the_cut(path) if cut else chunks(path):
        lines += chunk.count(b"\n")
        ends_open = not chunk.endswith(b"\n")
        length = len(chunk) - 1 - last if (last := chunk.rfind(b"\n")) >= 0 else length + len(chunk)
        if length > LINE_BYTES:
            raise OSError(f"line {lines + 1} is longer than {LINE_BYTES // 2**20} MiB")
    return lines + ends_open


def cut_line(path: str) -> int | None:
    """The number of the line within which a gzip file's stream is cut short (from 1); None: it is not.

    A damaged stream is none that is cut short: what it says before the damage shows may be what nobody wrote.

    Looked through once, while size and time of the file stay the same. Of a cut just behind a newline it is the line that
    would have come next.
    """
    state = os.stat(path)
    return _cut_line(path, state.st_size, state.st_mtime_ns) if is_gzip(path) else None


@lru_cache(maxsize=100_000)
def _cut_line(path: str, size: int, changed_ns: int) -> int | None:
    line = 1
    try:
        for piece in chunks(path):
            line += piece.count(b"\n")
    except EOFError:
        return line
    except zlib.error:
        return None
    return None


def lines(path: str, cut: bool = False) -> Iterator[bytes]:
    """The lines in order, each without its newline (a carriage return stays); only one is held at a time. `cut`: as above.

    Raises as `count_lines`: OSError, before it is held, for a line that is too long.
    """
    open_line: list[bytes] = []
    length = 0
    for chunk in before_the_cut(path) if cut else chunks(path):
        first, *rest = chunk.split(b"\n")
        open_line.append(first)
        length += len(first)
        if length > LINE_BYTES:
            raise OSError(f"{path} has a line that is longer than {LINE_BYTES // 2**20} MiB")
        if not rest:
            continue
        length = len(rest[-1])
        yield b"".join(open_line)
        yield from rest[:-1]
        open_line = [rest[-1]]
    if last := b"".join(open_line):
        yield last


def whole_lines(path: str, cut: bool = False) -> Iterator[bytes]:
    """The unpacked bytes in pieces of whole lines; a last line without a newline is given one. `cut`: as above."""
    open_line: list[bytes] = []
    for chunk in before_the_cut(path) if cut else chunks(path):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield b"".join([*open_line, chunk[:end]])
            open_line = []
        open_line.append(chunk[end:])
    if last := b"".join(open_line):
        yield last + b"\n"


def text_of(line: bytes) -> str:
    """A line as text, as `as_text` of lines.py gives it: see there."""
    try:
        return line.decode().rstrip("\r")
    except UnicodeDecodeError:
        return "".join(_piece(found[0]) for found in PIECES.finditer(line)).rstrip("\r")


def _piece(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def before_the_cut(path: str) -> Iterator[bytes]:
    """As `chunks`, ending quietly where the gzip stream does."""
    with contextlib.suppress(EOFError):
        yield from chunks(path)


def chunks(path: str, most: int = CHUNK) -> Iterator[bytes]:
    """The unpacked bytes in non-empty pieces of at most some `most` bytes, without a byte order mark at the file's start."""
    head, started = b"", False
    for piece in unzipped(path, most) if is_gzip(path) else plain(path):
        if started:
            yield piece
            continue
        head += piece
        if len(head) >= len(BOM):
            started = True
            if rest := head.removeprefix(BOM):
                yield rest
    if head and not started:
        yield head


def plain(path: str) -> Iterator[bytes]:
    """The bytes of a file as they lie there, in pieces."""
    with open(path, "rb") as stream:
        while piece := stream.read(CHUNK):
            yield piece


def unzipped(path: str, most: int = CHUNK) -> Iterator[bytes]:
    """Members one after the other, as strict as Spark's reader: the gzip module forgives padding that Spark does not.

    In pieces of at most `most` bytes. By isal, which takes a third of zlib's time and checks the same sums.
    """
    member = isal_zlib.decompressobj(wbits=31)
    used, held = False, b""
    for read in _with_end(plain(path)):
        piece, held = held + read, b""
        while piece:
            if not used and len(piece) < HEADER and read:
                held = piece
                break
            used = True
            try:
                data = member.decompress(piece, most)
            except DAMAGED as error:
                raise zlib.error(str(error)) from None
            if data:
                yield data
            # Either the bound on the output was met (go on with the tail), or this member has ended (start the next).
            piece = member.unconsumed_tail
            if member.eof:
                piece = member.unused_data
                member, used = isal_zlib.decompressobj(wbits=31), False
    if used:
        raise EOFError(CUT_SHORT)


def _with_end(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, and an empty one at their end."""
    yield from pieces
    yield b""
