"""The second reader of SQLite files: pages and cells of one table in plain Python, so that its count is evidence.

The file's format: https://www.sqlite.org/fileformat2.html. Raises OSError where a page is not what it must be.
"""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

MAGIC = b"SQLite format 3\0"
BRANCH, LEAF = 5, 13
"""Kinds of pages of a table: those that point to others, and those that hold rows."""


def count_rows(path: str, root: int) -> int:
    """Rows of the table whose first page is `root` (1-based, as sqlite_master tells it)."""
    return sum(len(places) for _, places in _leaves(path, root))


def row_ids(path: str, root: int) -> Iterator[int]:
    """The rowid of every row, in order."""
    for page, places in _leaves(path, root):
        for place in places:
            _, after = _varint(page, place)
            yield _varint(page, after)[0]


def _leaves(path: str, root: int) -> Iterator[tuple[bytes, list[int]]]:
    """Every page of rows, and where in it the rows start."""
    with open(path, "rb") as stream:
        head = stream.read(100)
        if not head.startswith(MAGIC):
            raise OSError("it is no SQLite file")
        told = int.from_bytes(head[16:18], "big")
        size = 65536 if told == 1 else told
        if size < 512:
            raise OSError("its pages have no size")
        yield from _below(stream, size, root, bytearray(os.fstat(stream.fileno()).st_size // size + 1))


def _below(stream: BinaryIO, size: int, number: int, seen: bytearray) -> Iterator[tuple[bytes, list[int]]]:
    """Pages of rows under a page. `seen` marks those that were read: pages that point in a circle would never end."""
    page = _page(stream, size, number, seen)
    start = 100 if number == 1 else 0
    kind, cells = page[start], int.from_bytes(page[start + 3 : start + 5], "big")
    header = start + (12 if kind == BRANCH else 8)
    if kind not in (BRANCH, LEAF) or header + 2 * cells > size:
        raise OSError(f"its page {number} is damaged")
    places = list(struct.unpack_from(f">{cells}H", page, header))
    if any(place + 4 > size for place in places):
        raise OSError(f"its page {number} is damaged")
    if kind == LEAF:
        yield page, places
        return
    last = int.from_bytes(page[start + 8 : start + 12], "big")
    for child in (*(int.from_bytes(page[place : place + 4], "big") for place in places), last):
        yield from _below(stream, size, child, seen)


def _page(stream: BinaryIO, size: int, number: int, seen: bytearray) -> bytes:
    if number < 1 or number >= len(seen):
        raise OSError(f"it is cut short: there is no page {number}")
    if seen[number]:
        raise OSError(f"its pages are damaged: two point to page {number}")
    seen[number] = 1
    stream.seek((number - 1) * size)
    return stream.read(size)


def _varint(page: bytes, place: int) -> tuple[int, int]:
    """A number of 1 to 9 bytes, and the place after it."""
    value = 0
    for index, byte in enumerate(page[place : place + 9]):
        if index == 8:
            value = value << 8 | byte
            return value - (1 << 64) if value >> 63 else value, place + 9
        value = value << 7 | byte & 127
        if byte < 128:
            return value, place + index + 1
    raise OSError("it is damaged")
