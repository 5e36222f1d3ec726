"""Hostile files in a feed's folder: none of them blocks a night, fills the memory, or loses a line."""

import gzip
import json
import os
import resource
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.errors import SourceError
from jobs.sources.config import load_sources, newest_date
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS
from jobs.sources.reading import raw_bytes
from jobs.sources.reading.blocks import byte_ranges, line_blocks
from jobs.sources.reading.files import list_files
from jobs.sources.reading.independent_counts.text_lines import count_lines

LINE = json.dumps({"user_id": "u", "track_id": "t", "event": "play", "played_at": "2026-11-14T10:00:00Z"}) + "\n"


def names(folder: Path) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in list_files(Source("app", "app_log", str(folder)))]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_device_raises_without_blocking(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "a.jsonl").write_text(LINE)
    make(tmp_path / "b.jsonl")
    for path in (tmp_path, tmp_path / "b.jsonl"):
        with pytest.raises(SourceError, match=r"b\.jsonl' is a pipe, socket or device"):
            names(path)


def test_file_names_may_have_any_letter_but_no_control_character(tmp_path: Path) -> None:
    valid = ["bj\u00f6rk.mp3", "\u5b87\u591a\u7530\u3000\u30d2\u30ab\u30eb.mp3", "d\u00e9j\u00e0\u00a0vu.mp3"]
    for name in valid:
        (tmp_path / name).write_bytes(b"x")
    assert sorted(names(tmp_path)) == sorted(valid)
    (tmp_path / "a\nb.mp3").write_bytes(b"x")
    with pytest.raises(SourceError, match="control characters"):
        names(tmp_path)


def test_linked_folders_are_searched_once(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "logs", tmp_path / "elsewhere"
    for path in (folder / "dt=2026-11-13", elsewhere / "dt=2026-11-14", folder / "..data" / "dt=2026-11-15"):
        path.mkdir(parents=True)
        (path / "a.jsonl").write_text(LINE)
    (folder / "latest").symlink_to("dt=2026-11-13")
    (folder / "dt=2026-11-14").symlink_to(elsewhere / "dt=2026-11-14")
    (folder / "dt=2026-11-15").symlink_to("..data/dt=2026-11-15")
    (folder / "same").symlink_to(elsewhere / "dt=2026-11-14")
    (elsewhere / "dt=2026-11-14" / "back").symlink_to(folder)
    assert names(folder) == [f"dt=2026-11-{day}/a.jsonl" for day in (13, 14, 15)]
    assert names(tmp_path / "logs" / "latest") == ["a.jsonl"]


def test_a_link_to_a_folder_that_contains_it_raises(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.jsonl").write_text(LINE)
    (tmp_path / "logs" / "up").symlink_to(tmp_path)
    with pytest.raises(SourceError, match=r"up is a link to .*, which contains the link"):
        names(tmp_path / "logs")


def test_a_broken_link_raises_with_its_name(tmp_path: Path) -> None:
    for number, target in enumerate(("b.jsonl", "nowhere")):
        (tmp_path / f"{number}.jsonl").symlink_to(target)
    (tmp_path / "b.jsonl").symlink_to("0.jsonl")
    with pytest.raises(SourceError, match=r"0\.jsonl' cannot be read: Too many levels of symbolic links"):
        names(tmp_path)
    (tmp_path / "b.jsonl").unlink()
    (tmp_path / "0.jsonl").unlink()
    with pytest.raises(SourceError, match=r"1\.jsonl' cannot be read: No such file"):
        names(tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        names(tmp_path / "nothing")


def test_a_folder_may_have_the_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").mkdir()
    (tmp_path / "a.jsonl.gz" / "b.jsonl").write_text(LINE)
    assert names(tmp_path) == ["a.jsonl.gz/b.jsonl"]


def newest(folder: Path, kind: str, more: str = "") -> object:
    file = folder / "sources.toml"
    file.write_text(f'name = "x"\ngenres = "pmrs7"\n[[source]]\nformat = "{kind}"\npath = "{folder}/in"\n{more}')
    return newest_date(load_sources(file))


def test_an_endless_line_raises_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "in" / "bomb.jsonl.gz"
    path.parent.mkdir()
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(LINE.encode())
        for _ in range(300):
            stream.write(b"a" * 2**20)
    previous = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError, match=r"bomb\.jsonl\.gz has a line that is longer than 16 MiB"):
        newest(tmp_path, "app_log")
    with pytest.raises(OSError, match="longer than 16 MiB"):
        count_lines(str(path))
    with pytest.raises(OSError, match="longer than 16 MiB"):
        list(line_blocks(byte_ranges(str(path), path.stat().st_size)[0]))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - previous) / 1024
    assert grown < 300, f"{grown:.0f} MiB more"


@pytest.mark.parametrize("kind", ["app_log", "lastfm_1k", "thirty_music_sessions"])
def test_a_truncated_file_gives_the_newest_date_before_the_truncation(tmp_path: Path, kind: str) -> None:
    line = {
        "app_log": LINE,
        "lastfm_1k": "u\t2026-11-14T10:00:00Z\ta\tA\tt\tT\n",
        "thirty_music_sessions": 'event.session\t1\t1794650400\t{"numtracks":1} {"subjects":[{"id":1}],"objects":[{"id":2}]}\n',
    }[kind]
    (tmp_path / "in").mkdir()
    packed = gzip.compress(b"".join(f"{n} {line}".encode() if n % 2 else line.encode() for n in range(40_000)))
    (tmp_path / "in" / "cut.gz").write_bytes(packed[: len(packed) // 2])
    assert str(newest(tmp_path, kind, 'truncated = "take"\n')) == "2026-11-14"
    assert str(newest(tmp_path, kind)) == "2026-11-14"  # counting its lines refuses it, by its name


@pytest.mark.parametrize("flags", [0, 2, 4, 8, 10, 12, 16, 30])
def test_a_gzip_header_may_span_two_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: int) -> None:
    first = gzip.compress(LINE.encode(), mtime=0)
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\0" * 6
    head += (
        (b"\x03\0abc" if flags & 4 else b"") + (b"name\0" if flags & 8 else b"") + (b"note\0" if flags & 16 else b"")
    )
    head += zlib.crc32(head).to_bytes(4, "little")[:2] if flags & 2 else b""
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(first + head + first[10:] + first)
    assert len(gzip.decompress(path.read_bytes()).splitlines()) == 3
    for size in range(len(first) + 1, len(first) + len(head) + 3):
        monkeypatch.setattr(raw_bytes, "CHUNK_BYTES", size)
        assert list(raw_bytes.iter_lines(str(path))) == [LINE.strip().encode()] * 3


def test_all_members_of_a_gzip_file_are_read(tmp_path: Path) -> None:
    member = gzip.compress(LINE.encode())
    for number, (data, lines) in enumerate({member * 3: 3, b"": 0, member + gzip.compress(b""): 1}.items()):
        path = tmp_path / f"{number}.gz"
        path.write_bytes(data)
        assert count_lines(str(path)) == lines
    (tmp_path / "garbage.gz").write_bytes(member + b"garbage")
    assert raw_bytes.truncated_at_line(str(tmp_path / "garbage.gz")) == 2
    assert list(raw_bytes.iter_lines(str(tmp_path / "garbage.gz"), truncated=True)) == [LINE.strip().encode()]
    assert FORMATS["app_log"].files(Source("app", "app_log", str(tmp_path)))
