"""The second reader: raw bytes to lines in plain Python, with nothing of Spark in it, so that its counts are evidence."""

import zlib
from collections.abc import Iterator

from jobs.sources.files import is_gzip

BOM = b"\xef\xbb\xbf"
CHUNK = 1 << 20


def count_lines(path: str) -> int:
    """Lines of a plain or gzip file; a last line without a newline counts. Raises OSError, EOFError or zlib.error."""
    lines, ends_open = 0, False
    for chunk in chunks(path):
        lines += chunk.count(b"\n")
        ends_open = not chunk.endswith(b"\n")
    return lines + ends_open


def lines(path: str) -> Iterator[bytes]:
    """The lines in order, each without its newline (a carriage return stays); only one is held at a time."""
    open_line: list[bytes] = []
    for chunk in chunks(path):
        first, *rest = chunk.split(b"\n")
        open_line.append(first)
        if not rest:
            continue
        yield b"".join(open_line)
        yield from rest[:-1]
        open_line = [rest[-1]]
    if last := b"".join(open_line):
        yield last


def chunks(path: str) -> Iterator[bytes]:
    """The unpacked bytes in non-empty pieces, without a byte order mark at the start of the file."""
    head, started = b"", False
    for piece in unzipped(path) if is_gzip(path) else plain(path):
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


def unzipped(path: str) -> Iterator[bytes]:
    """Members one after the other, as strict as Spark's reader: the gzip module forgives padding that Spark does not."""
    member = zlib.decompressobj(wbits=31)
    used = False
    for read in plain(path):
        piece = read
        while piece:
            used = True
            if data := member.decompress(piece, CHUNK):
                yield data
            # Either the bound on the output was met (go on with the tail), or this member has ended (start the next).
            piece = member.unconsumed_tail
            if member.eof:
                piece = member.unused_data
                member, used = zlib.decompressobj(wbits=31), False
    if used:
        raise EOFError("the gzip stream is cut short")
