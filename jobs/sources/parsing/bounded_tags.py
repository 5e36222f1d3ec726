"""Mutagen's tag readers with limits on memory: bytes, frames, and no compressed frames.

Without limits a hostile file can allocate gigabytes:
- a compressed frame
- a picture or chunk that claims any size
- a tag of a million empty frames, each of which copies the rest of the tag
"""

from typing import IO, Any

import mutagen
from mutagen.aiff import AIFF
from mutagen.easymp4 import EasyMP4
from mutagen.flac import FLAC
from mutagen.id3 import Frames, Frames_2_2
from mutagen.id3._util import ID3JunkFrameError
from mutagen.mp3 import MP3
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggspeex import OggSpeex
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

MAX_TOTAL_BYTES = 8 * 1024**2
"""Total bytes read of a file: its tags with cover pictures, and a little of its audio."""
MAX_READS = 20_000
"""Number of reads: one or two for each chunk, block or atom, each of which is an object of 200 bytes."""
MAX_UNSYNCHRONISED_BYTES = 1024**2
"""Limit for an unsynchronised ID3 tag: mutagen splits it at every 0xff, at 60 bytes per piece."""
MAX_FRAME_BYTES = 64 * 1024
MAX_FRAMES = 1_000
"""A larger text frame is ignored; a tag with more frames is rejected."""
FRAME_IDS = ("TIT2", "TPE1", "TALB", "TDRC", "TYER", "TDAT", "TCON")
FRAME_IDS_2_2 = ("TT2", "TP1", "TAL", "TYE", "TDA", "TCO")
"""Frames that are read, here those of ID3 2.2; others, such as pictures, are skipped."""
COMPRESSED_FLAGS = {3: 0x00C0, 4: 0x000C}
"""Flags of a compressed or encrypted frame, by ID3 version."""


class BoundedFile:
    """A file for mutagen with a limited number of bytes and reads. No read returns more than the file has."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self.stream, self.size, self.bytes_left, self.reads_left = stream, size, MAX_TOTAL_BYTES, MAX_READS
        self.name = stream.name
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes. Raises OSError past the limit."""
        remaining = max(0, self.size - self.stream.tell())
        n_bytes = remaining if size < 0 else min(size, remaining)
        self.bytes_left -= n_bytes
        self.reads_left -= 1
        if self.bytes_left < 0 or self.reads_left < 0:
            raise OSError("its tags exceed the size limit")
        data = self.stream.read(n_bytes)
        if len(data) == 10 and data.startswith(b"ID3") and data[5] & 0x80:
            self.bytes_left = min(self.bytes_left, MAX_UNSYNCHRONISED_BYTES)
        return data


def open_tags(path: str) -> Any:
    """Open the file with mutagen; None for an unknown file type. Damaged files raise all kinds of errors."""
    with open(path, "rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        return mutagen.File(BoundedFile(stream, size), options=FILE_TYPES)


class _KnownFrames(dict[str, Any]):
    """The known frames of one tag. Counts lookups to limit the number of frames."""

    def __init__(self) -> None:
        current = {name: _bounded_frame(Frames[name]) for name in FRAME_IDS}
        super().__init__(current | {name: Frames_2_2[name] for name in FRAME_IDS_2_2})
        self.lookups = 0

    def __getitem__(self, name: str) -> Any:
        self.lookups += 1
        if self.lookups > MAX_FRAMES:
            raise ValueError(f"it has more than {MAX_FRAMES} frames")
        return super().__getitem__(name)


def _bounded_frame(frame: Any) -> Any:
    """Return a subclass of a frame, of the same name, that rejects compressed and huge data."""

    def from_data(cls: Any, header: Any, flags: int, data: bytes) -> Any:
        if flags & COMPRESSED_FLAGS.get(header.version[1], 0) or len(data) > MAX_FRAME_BYTES:
            raise ID3JunkFrameError(f"a compressed frame, or one of {len(data)} bytes")
        return frame._fromData.__func__(cls, header, flags, data)

    return type(frame.__name__, (frame,), {"_fromData": classmethod(from_data)})


class _BoundedId3:
    """Loads ID3 with the known frames only. As a base class it precedes the file type."""

    def load(self, file: Any, **options: Any) -> None:
        """Load the tags like mutagen does."""
        super().load(file, known_frames=_KnownFrames(), **options)  # type: ignore[misc]


class _Mp3(_BoundedId3, MP3):
    pass


class _Wave(_BoundedId3, WAVE):
    pass


class _Aiff(_BoundedId3, AIFF):
    pass


FILE_TYPES = [_Mp3, OggVorbis, OggOpus, OggFLAC, OggSpeex, FLAC, EasyMP4, _Wave, _Aiff]
