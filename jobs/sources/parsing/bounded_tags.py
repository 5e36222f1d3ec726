"""Mutagen's readers of tags, with bounds on what a file may make them hold: bytes, frames, and nothing that is compressed.

What a hostile file can ask for otherwise: a frame that unpacks to gigabytes, a picture or chunk of any claimed size, a tag of a
million empty frames, each of which costs a copy of the rest.
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

TOTAL_BYTES = 8 * 1024**2
"""Read of a file in all: its tags, cover pictures included, and a little of its sound."""
READS = 20_000
"""Pieces in which it is read: one or two for each chunk, block or atom, each of which is an object of 200 bytes."""
SPREAD_BYTES = 1024**2
"""Of an unsynchronised ID3 tag: it is taken apart at every 0xff, at 60 bytes a piece."""
FRAME_BYTES = 64 * 1024
FRAMES = 1_000
"""A larger frame of text is none, and a tag with more frames is refused."""
WANTED = ("TIT2", "TPE1", "TALB", "TDRC", "TYER", "TDAT", "TCON")
WANTED_2_2 = ("TT2", "TP1", "TAL", "TYE", "TDA", "TCO")
"""Names of the frames that are read, here those of ID3 2.2; others, pictures first of all, are passed over."""
PACKED = {3: 0x00C0, 4: 0x000C}
"""Flags of a compressed or encrypted frame, by version of ID3."""


class Bounded:
    """A file for mutagen, of which only so much can be read; no read asks for more than is there."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self.stream, self.size, self.left, self.reads = stream, size, TOTAL_BYTES, READS
        self.name = stream.name
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """Raises OSError past the bound."""
        there = max(0, self.size - self.stream.tell())
        wanted = there if size < 0 else min(size, there)
        self.left -= wanted
        self.reads -= 1
        if self.left < 0 or self.reads < 0:
            raise OSError("its tags are larger than any real ones")
        data = self.stream.read(wanted)
        if len(data) == 10 and data.startswith(b"ID3") and data[5] & 0x80:
            self.left = min(self.left, SPREAD_BYTES)
        return data


def open_tags(path: str) -> Any:
    """The file as mutagen knows it; None where it is of no known kind. Raises whatever its damage leads to."""
    with open(path, "rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        return mutagen.File(Bounded(stream, size), options=KINDS)


class _Frames(dict[str, Any]):
    """The frames that are known to one tag, which counts how many it has."""

    def __init__(self) -> None:
        super().__init__({name: _guarded(Frames[name]) for name in WANTED} | {name: Frames_2_2[name] for name in WANTED_2_2})
        self.asked = 0

    def __getitem__(self, name: str) -> Any:
        self.asked += 1
        if self.asked > FRAMES:
            raise ValueError(f"it has more than {FRAMES} frames")
        return super().__getitem__(name)


def _guarded(frame: Any) -> Any:
    """A frame's class, of the same name, that takes no packed and no huge one."""

    def from_data(cls: Any, header: Any, flags: int, data: bytes) -> Any:
        if flags & PACKED.get(header.version[1], 0) or len(data) > FRAME_BYTES:
            raise ID3JunkFrameError(f"a packed frame, or one of {len(data)} bytes")
        return frame._fromData.__func__(cls, header, flags, data)

    return type(frame.__name__, (frame,), {"_fromData": classmethod(from_data)})


class _WithFrames:
    """Reads ID3 with the known frames; named before the kind of file."""

    def load(self, file: Any, **options: Any) -> None:
        """As mutagen's."""
        super().load(file, known_frames=_Frames(), **options)  # type: ignore[misc]


class _Mp3(_WithFrames, MP3):
    pass


class _Wave(_WithFrames, WAVE):
    pass


class _Aiff(_WithFrames, AIFF):
    pass


KINDS = [_Mp3, OggVorbis, OggOpus, OggFLAC, OggSpeex, FLAC, EasyMP4, _Wave, _Aiff]
