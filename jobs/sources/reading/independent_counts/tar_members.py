"""Count the members of a tar archive from its 512-byte headers, in plain Python and without `tarfile`.

Stricter than `tarfile`, which takes a damaged header for the end: an archive must be readable up to its end mark.
"""

import re
from collections.abc import Iterator

from jobs.sources.reading.independent_counts.byte_stream import ByteStream

BLOCK = 512
MAX_MEMBERS = 2_000_000
MAX_HEADER_BYTES = 1024**2
"""`tarfile` reads long names and pax records into memory, so they are bounded; a real one has some hundred bytes."""
MAX_EXTENSION_HEADERS = 16
"""Extension headers that may precede a member's own header."""
TYPES_WITHOUT_DATA = frozenset(b"123456")
"""Types (links, devices, folders, pipes) whose size field does not describe data."""
LONG_NAME, PAX, PAX_GLOBAL, SPARSE = b"LK", b"xX", b"g", b"S"
NUMERIC_FIELDS = ((100, 108), (108, 116), (116, 124), (136, 148), (148, 156), (329, 337), (337, 345))
"""Byte ranges of numeric fields: mode, owner, group, time, checksum, device."""
DAMAGED = "a tar header is damaged"


def count_members(path: str) -> int:
    """Count the members, folders and links included. Raises OSError, EOFError or zlib.error for a damaged archive."""
    return sum(1 for _ in _member_sizes(ByteStream(path)))


def _member_sizes(stream: ByteStream) -> Iterator[int]:
    """Skip the data of each member and yield its size in bytes."""
    members, extensions = 0, 0
    pax_size: int | None = None
    while any(block := stream.take(BLOCK)):
        kind, size = block[156:157], _data_size(block)
        if kind in LONG_NAME or kind in PAX or kind in PAX_GLOBAL:
            pax_size = _read_extension(stream, kind, size, pax_size)
            extensions += 1
            if extensions > MAX_EXTENSION_HEADERS:
                raise OSError(DAMAGED)
            continue
        if kind == SPARSE:
            raise OSError("it has sparse members, which are not supported: create it without --sparse")
        size = size if pax_size is None else pax_size
        members, extensions, pax_size = members + 1, 0, None
        if members > MAX_MEMBERS:
            raise OSError(f"it has more than {MAX_MEMBERS} members")
        if not _has_no_data(block):
            stream.take(_padded_size(size), keep=False)
        yield size
    if extensions:
        raise OSError(DAMAGED)
    stream.require_zeros()


def _read_extension(stream: ByteStream, kind: bytes, size: int, pax_size: int | None) -> int | None:
    """Read an extension header of the next member; return the size in its pax records, or `pax_size` if it has none."""
    if size > MAX_HEADER_BYTES:
        raise OSError(f"it has a header of {size} bytes")
    data = stream.take(_padded_size(size))[:size]
    if kind in LONG_NAME:
        return pax_size
    records = dict(_pax_records(data))
    if any(key.startswith(b"GNU.sparse") for key in records):
        raise OSError("it has sparse members, which are not supported: create it without --sparse")
    if b"size" not in records:
        return pax_size
    if kind in PAX_GLOBAL or pax_size is not None or not re.fullmatch(rb"[0-9]{1,18}", records[b"size"]):
        raise OSError(DAMAGED)
    return int(records[b"size"])


def _pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the (key, value) pairs of a pax header.

    A record is `length key=value` and a newline; the length includes its own digits.
    """
    offset = 0
    while offset < len(data):
        head = re.compile(rb"([0-9]{1,9}) ([^=]+)=").match(data, offset)
        end = offset + int(head[1]) if head else 0
        if not head or end <= head.end() or end > len(data) or data[end - 1 : end] != b"\n":
            raise OSError(DAMAGED)
        yield head[2], data[head.end() : end - 1]
        offset = end


def _data_size(block: bytes) -> int:
    """Return the data size in a header, after checking its checksum and numeric fields."""
    for start, stop in NUMERIC_FIELDS:
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


def _has_no_data(block: bytes) -> bool:
    """Return whether the member is a link, device or folder, or an old-style file whose name ends in a slash."""
    old_folder = block[156] == 0 and block[:100].split(b"\0", 1)[0].endswith(b"/")
    return block[156] in TYPES_WITHOUT_DATA or old_folder


def _padded_size(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
