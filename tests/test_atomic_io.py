"""Atomic writes: old or complete new content, permissions, and nothing left after an error."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.atomic_io import PARTIAL, link_atomic, write_atomic


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    previous = os.umask(request.param)
    yield int(request.param)
    os.umask(previous)


def test_a_write_replaces_the_content_and_leaves_no_other_file(tmp_path: Path) -> None:
    target = tmp_path / "new" / "page.html"
    write_atomic(target, "first é\n")
    write_atomic(target, b"second\n", sync=True)
    assert target.read_bytes() == b"second\n"
    assert list(target.parent.iterdir()) == [target]


def test_permissions_are_those_given_or_those_of_the_process(tmp_path: Path, umask: int) -> None:
    for name, mode in (("secret", 0o600), ("program", 0o755)):
        write_atomic(tmp_path / name, "x", mode)
        assert mode_of(tmp_path / name) == mode
    write_atomic(tmp_path / "plain", "x")
    assert mode_of(tmp_path / "plain") == 0o666 & ~umask


def test_a_secret_is_never_readable_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    monkeypatch.setattr(os, "fchmod", lambda descriptor, _: modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode)))
    write_atomic(tmp_path / "secret", "x", 0o600)
    assert modes == [0o600]


def test_a_failed_write_keeps_the_old_content_and_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    write_atomic(target, "old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        write_atomic(target, "new", sync=True)
    assert target.read_text() == "old"
    assert not list(tmp_path.glob(PARTIAL))


def test_a_link_is_repointed(tmp_path: Path) -> None:
    link = tmp_path / "bin" / "java"
    for name in ("one", "two"):
        link_atomic(link, tmp_path / name)
        assert link.readlink() == tmp_path / name
    assert list(link.parent.iterdir()) == [link]
