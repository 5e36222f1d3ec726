"""The second reader of tar archives: its 512-byte headers one after the other, in plain Python, so that its count is evidence.

It is stricter than `tarfile`, which takes a damaged header for the end: what it cannot follow to the end mark it refuses.
"""

import re
from collections.abc import Iterator

from jobs.sources.reading.unpacked import Unpacked

BLOCK = 512
MEMBERS = 2_000_000
HEADER_BYTES = 1024**2
"""Long names and pax records are read into memory by `tarfile`, so they have a bound; a real one has some hundred bytes."""
HEADERS = 16
"""So many headers may precede a member's own."""
DATALESS = frozenset(b"123456")
"""Types (links, devices, folders, pipes) whose size says nothing about what follows."""
LONG_NAME, PAX, PAX_GLOBAL, SPARSE = b"LK", b"xX", b"g", b"S"
NUMBERS = ((100, 108), (108, 116), (116, 124), (136, 148), (148, 156), (329, 337), (337, 345))
"""Fields that must be numbers: mode, owner, group, time, checksum, device."""
DAMAGED = "a tar header is damaged"


def count_members(path: str) -> int:
    """Members of an archive, folders and links included. Raises OSError, EOFError or zlib.error where it is damaged."""
    return sum(1 for _ in _sizes(Unpacked(path)))


def _sizes(blocks: Unpacked) -> Iterator[int]:
    """Bytes of data of each member, passed over."""
    members, headers, told = 0, 0, None
    while any(block := blocks.take(BLOCK)):
        kind, size = block[156:157], _size(block)
        if kind in LONG_NAME or kind in PAX or kind in PAX_GLOBAL:
            told = _extension(blocks, kind, size, told)
            headers += 1
            if headers > HEADERS:
                raise OSError(DAMAGED)
            continue
        if kind == SPARSE:
            raise OSError("it holds sparse members, which are not read: make it without --sparse")
        size = size if told is None else told
        members, headers, told = members + 1, 0, None
        if members > MEMBERS:
            raise OSError(f"it has more than {MEMBERS} members")
        if not _dataless(block):
            blocks.take(_padded(size), keep=False)
        yield size
    if headers:
        raise OSError(DAMAGED)
    blocks.require_zeros()


def _extension(blocks: Unpacked, kind: bytes, size: int, told: int | None) -> int | None:
    """Read a header that describes the next member; the size that it tells, if it tells one."""
    if size > HEADER_BYTES:
        raise OSError(f"it has a header of {size} bytes")
    data = blocks.take(_padded(size))[:size]
    if kind in LONG_NAME:
        return told
    records = dict(_records(data))
    if any(key.startswith(b"GNU.sparse") for key in records):
        raise OSError("it holds sparse members, which are not read: make it without --sparse")
    if b"size" not in records:
        return told
    if kind in PAX_GLOBAL or told is not None or not re.fullmatch(rb"[0-9]{1,18}", records[b"size"]):
        raise OSError(DAMAGED)
    return int(records[b"size"])


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Pairs of a pax header: `length key=value` and a newline, the length its own digits included."""
    place = 0
    while place < len(data):
        head = re.compile(rb"([0-9]{1,9}) ([^=]+)=").match(data, place)
        end = place + int(head[1]) if head else 0
        if not head or end <= head.end() or end > len(data) or data[end - 1 : end] != b"\n":
            raise OSError(DAMAGED)
        yield head[2], data[head.end() : end - 1]
        place = end


def _size(block: bytes) -> int:
    """Bytes of data that a header tells, after its checksum and numbers were looked at."""
    for start, stop in NUMBERS:
        if block[start] not in (0o200, 0o377):
            _octal(block[start:stop])
    blanked = block[:148] + b" " * 8 + block[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in blanked)
    if block[148] in (0o200, 0o377) or _octal(block[148:156]) not in (sum(blanked), signed):
        raise OSError(DAMAGED)
    field = block[124:136]
    return int.from_bytes(field[1:], "big") if field[0] == 0o200 else _octal(field)


def _octal(field: bytes) -> int:
    digits = field.split(b"\0", 1)[0].strip()
    if not re.fullmatch(b"[0-7]*", digits):
        raise OSError(DAMAGED)
    return int(digits or b"0", 8)


def _dataless(block: bytes) -> bool:
    """Links, devices and folders; a plain old file whose name ends in a slash is a folder too."""
    old_folder = block[156] == 0 and block[:100].split(b"\0", 1)[0].endswith(b"/")
    return block[156] in DATALESS or old_folder


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
