"""Count the rows of a SQLite table from the pages and cells of the file, in plain Python and without SQLite.

File format: https://www.sqlite.org/fileformat2.html. Raises OSError where a page is malformed.
"""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

MAGIC = b"SQLite format 3\0"
INTERIOR_PAGE, LEAF_PAGE = 5, 13
"""Types of the pages of a table's B-tree: interior pages point to others, leaf pages hold rows."""


def count_rows(path: str, root: int) -> int:
    """Count the rows of the table whose first page is `root` (1-based, as in sqlite_master)."""
    return sum(len(cells) for _, cells in _leaf_pages(path, root))


def row_ids(path: str, root: int) -> Iterator[int]:
    """Yield the rowid of every row, in order."""
    for page, cells in _leaf_pages(path, root):
        for offset in cells:
            _, after = _varint(page, offset)
            yield _varint(page, after)[0]


def _leaf_pages(path: str, root: int) -> Iterator[tuple[bytes, list[int]]]:
    """Yield every leaf page and the offsets of its cells."""
    with open(path, "rb") as stream:
        head = stream.read(100)
        if not head.startswith(MAGIC):
            raise OSError("it is no SQLite file")
        size_field = int.from_bytes(head[16:18], "big")
        size = 65536 if size_field == 1 else size_field
        if size < 512:
            raise OSError("its page size is invalid")
        visited = bytearray(os.fstat(stream.fileno()).st_size // size + 1)
        yield from _leaf_pages_below(stream, size, root, visited)


def _leaf_pages_below(
    stream: BinaryIO, size: int, number: int, visited: bytearray
) -> Iterator[tuple[bytes, list[int]]]:
    """Yield the leaf pages below a page. `visited` marks pages already read, to detect cycles."""
    page = _page(stream, size, number, visited)
    start = 100 if number == 1 else 0
    kind, n_cells = page[start], int.from_bytes(page[start + 3 : start + 5], "big")
    header = start + (12 if kind == INTERIOR_PAGE else 8)
    if kind not in (INTERIOR_PAGE, LEAF_PAGE) or header + 2 * n_cells > size:
        raise OSError(f"its page {number} is damaged")
    cells = list(struct.unpack_from(f">{n_cells}H", page, header))
    if any(offset + 4 > size for offset in cells):
        raise OSError(f"its page {number} is damaged")
    if kind == LEAF_PAGE:
        yield page, cells
        return
    last = int.from_bytes(page[start + 8 : start + 12], "big")
    for child in (*(int.from_bytes(page[offset : offset + 4], "big") for offset in cells), last):
        yield from _leaf_pages_below(stream, size, child, visited)


def _page(stream: BinaryIO, size: int, number: int, visited: bytearray) -> bytes:
    if number < 1 or number >= len(visited):
        raise OSError(f"it is truncated: page {number} does not exist")
    if visited[number]:
        raise OSError(f"its pages are damaged: two point to page {number}")
    visited[number] = 1
    stream.seek((number - 1) * size)
    return stream.read(size)


def _varint(page: bytes, offset: int) -> tuple[int, int]:
    """Decode a varint of 1 to 9 bytes; return it and the offset after it."""
    value = 0
    for index, byte in enumerate(page[offset : offset + 9]):
        if index == 8:
            value = value << 8 | byte
            return value - (1 << 64) if value >> 63 else value, offset + 9
        value = value << 7 | byte & 127
        if byte < 128:
            return value, offset + index + 1
    raise OSError("it is damaged")
