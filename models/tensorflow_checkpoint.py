"""Read a TensorFlow checkpoint ("TensorBundle") without TensorFlow.

The index is an uncompressed LevelDB table from a tensor's name to a protobuf message BundleEntryProto, with the position of its
bytes in the data file, and their CRC.
"""

import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from models.types import F32

MAGIC = 0xDB4775248B80FB57
FOOTER, TRAILER = 48, 5
"""Bytes: two block handles and the magic number at the end of a table; compression and CRC after each of its blocks."""
FLOAT32 = 1
CRC_POLYNOMIAL, CRC_MASK_DELTA = 0x82F63B78, 0xA282EAD8


class CheckpointError(ValueError):
    """A checkpoint is damaged."""


def read_checkpoint(index: bytes, data: bytes) -> dict[str, F32]:
    """Return the float32 tensors of a checkpoint by name, without the optimizer's. Raises CheckpointError if it is damaged."""
    try:
        entries = dict(_table_entries(index))
        return {
            name.decode(): _tensor(name.decode(), entry, data)
            for name, entry in entries.items()
            if name and b"Adam" not in name and dict(_message(entry)).get(1) == FLOAT32
        }
    except (IndexError, KeyError, ValueError, struct.error) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"the checkpoint's index is damaged: {error}") from None


def _tensor(name: str, entry: bytes, data: bytes) -> F32:
    fields = list(_message(entry))
    values = dict(fields)
    dims = [dict(_message(dim)).get(1, 0) for number, value in fields if number == 2 for _, dim in _message(bytes(value))]
    offset, size = int(values.get(4, 0)), int(values.get(5, 0))
    content = data[offset : offset + size]
    if len(content) != size or _masked_crc(content) != values[6]:
        raise CheckpointError(f"the tensor {name} is damaged: its CRC is not that of the index")
    return np.frombuffer(content, "<f4").reshape([int(dim) for dim in dims])


def _table_entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of all entries of a LevelDB table."""
    if len(table) < FOOTER or int.from_bytes(table[-8:], "little") != MAGIC:
        raise CheckpointError("the checkpoint's index is damaged: it does not end with the magic number of a table")
    handles, position = [], len(table) - FOOTER
    for _ in range(4):
        value, position = _varint(table, position)
        handles.append(value)
    for _, handle in _block_entries(table, handles[2], handles[3]):
        offset, end = _varint(handle, 0)
        yield from _block_entries(table, offset, _varint(handle, end)[0])


def _block_entries(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of a block's entries; a key shares a prefix with the one before it."""
    block, stored_crc = table[offset : offset + size + 1], table[offset + size + 1 : offset + size + TRAILER]
    if len(stored_crc) != 4 or _masked_crc(block) != int.from_bytes(stored_crc, "little"):
        raise CheckpointError("the checkpoint's index is damaged: the CRC of a block is wrong")
    end = size - 4 - 4 * int.from_bytes(block[size - 4 : size], "little")
    key, position = b"", 0
    while position < end:
        shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + length]
        position += length


def _message(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of a protobuf message's fields: integers, or bytes of an inner message."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        value: Any
        if tag & 7 == 0:
            value, position = _varint(message, position)
        elif tag & 7 == 2:
            length, position = _varint(message, position)
            value, position = message[position : position + length], position + length
        elif tag & 7 == 5:
            value, position = struct.unpack_from("<I", message, position)[0], position + 4
        else:
            raise CheckpointError(f"the checkpoint's index is damaged: a field has the unknown type {tag & 7}")
        yield tag >> 3, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the integer at a position, seven bits a byte, and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        value, shift, position = value | (byte & 127) << shift, shift + 7, position + 1
        if byte < 128:
            return value, position


def _masked_crc(content: bytes) -> int:
    """Return TensorFlow's masked CRC-32C (Castagnoli)."""
    crc = _crc32c(content)
    return ((crc >> 15 | crc << 17) + CRC_MASK_DELTA) & 0xFFFFFFFF


def _crc32c(content: bytes) -> int:
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in content:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


@cache
def _crc_table() -> tuple[int, ...]:
    """Return the CRC of every byte; in plain integers, which a loop reads faster than numpy's."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (CRC_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)
