"""Two names are exchanged in one step, or nothing happens."""

from __future__ import annotations

import ctypes
import errno
from pathlib import Path
from types import SimpleNamespace

import pytest

from hexapla.runs.exchange import exchange


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    return tmp_path / "one", tmp_path / "other"


def test_two_folders_exchange_their_names(folders: tuple[Path, Path]) -> None:
    one, other = folders
    if not exchange(one, other):
        pytest.skip("this file system cannot exchange names")
    assert ((one / "a").read_text(), (other / "a").read_text()) == ("other", "one")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP])
def test_a_system_that_cannot_is_told_from_one_that_fails(
    folders: tuple[Path, Path], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(*_: object) -> int:
        ctypes.set_errno(number)
        return -1

    library = SimpleNamespace(renameat2=call, renamex_np=call)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: library)
    assert not exchange(*folders)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace())
    assert not exchange(*folders)


def test_an_absent_name_is_an_error(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        exchange(tmp_path / "nowhere", folders[0])
