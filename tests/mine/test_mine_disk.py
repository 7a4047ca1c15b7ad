"""Mining on a disk that is too small, over its own inputs, and resumed when it is finished."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from hexapla.errors import InputError
from hexapla.mine import align_documents, disk_space, mine, score
from hexapla.mine.config import AlignDocumentsConfig, MineConfig, ScoreConfig
from hexapla.mine.disk_space import allocate, allocated


class Usage(NamedTuple):
    """What `shutil.disk_usage` returns."""

    total: int
    used: int
    free: int


@pytest.fixture
def settings(known: str, tmp_path: Path) -> dict[str, Any]:
    for name, language in (("en.txt", "eng"), ("de.txt", "deu")):
        lines = (f"{language}{n:02} {language}{n + 1:02}\n" for n in range(12))
        (tmp_path / name).write_text("".join(lines))
    return {
        "source": str(tmp_path / "en.txt"),
        "target": str(tmp_path / "de.txt"),
        "encoder": known,
        "out": tmp_path / "out.tsv",
    }


def test_too_small_a_disk_is_told_before_anything_is_encoded(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 500))
    with pytest.raises(InputError, match=r"need 0\.0 MiB and 0\.0 MiB are free on that disk; make"):
        mine(MineConfig(**settings), quiet=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["de.txt", "en.txt"]


def test_vectors_without_room_are_one_line_and_leave_nothing(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"vectors\.f16: No space left on device; make room, then"):
        mine(MineConfig(**settings), quiet=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["de.txt", "en.txt"]


@pytest.mark.parametrize("has_call", [True, False])
def test_a_file_gets_all_its_room_and_keeps_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_call: bool
) -> None:
    if not has_call:
        monkeypatch.delattr(os, "posix_fallocate")
    path, n_bytes = tmp_path / "vectors", 3 * 2**20 + 5
    allocate(path, n_bytes)
    assert path.stat().st_size == allocated(path) == n_bytes
    np.memmap(path, dtype=np.uint8, mode="r+")[-1] = 7
    allocate(path, n_bytes)
    assert path.read_bytes()[-1] == 7
    allocate(path, 10)
    assert path.read_bytes() == bytes(10)


def test_vectors_are_kept_where_a_file_system_neither_allocates_nor_counts_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(bytes(range(1, 101)))

    def unable(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unable)
    monkeypatch.setattr("hexapla.mine.disk_space.allocated", lambda path: 0)
    allocate(path, 100)
    assert path.read_bytes() == bytes(range(1, 101))


def test_a_finished_run_is_resumed_with_success(
    settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hexapla")
    for name in ("out.tsv", "out.parquet"):
        config = MineConfig(**{**settings, "out": tmp_path / name})
        pairs, _ = mine(config, quiet=True)
        before = config.out.read_bytes()
        caplog.clear()
        again, _ = mine(MineConfig(**{**settings, "out": config.out, "resume": True}), quiet=True)
        np.testing.assert_array_equal(again.source, pairs.source)
        np.testing.assert_array_equal(again.target, pairs.target)
        assert "does not tell whether the encoder and the settings are the same" in caplog.text
        assert config.out.read_bytes() == before
    (tmp_path / "de.txt").write_text("deu01\ndeu02\ndeu03\ndeu04\n")
    with pytest.raises(InputError, match="was mined from other text"):
        mine(MineConfig(**settings, resume=True), quiet=True)
    (tmp_path / "out.tsv").write_text("mine\n")
    with pytest.raises(InputError, match="hexapla mine did not write it"):
        mine(MineConfig(**settings, resume=True), quiet=True)


def test_a_run_that_replaces_a_file_is_resumed(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine(MineConfig(**settings), quiet=True)
    whole = (tmp_path / "out.tsv").read_bytes()
    (tmp_path / "out.tsv").write_text("old\n")
    monkeypatch.setattr("hexapla.mine.stage.mine_pairs", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        mine(MineConfig(**settings, overwrite=True), quiet=True)
    monkeypatch.undo()
    mine(MineConfig(**settings, resume=True), quiet=True)
    assert (tmp_path / "out.tsv").read_bytes() == whole


def _same(path: Path) -> Path:
    return path


def _symbolic(path: Path) -> Path:
    (path.parent / "link.tsv").symlink_to(path)
    return path.parent / "link.tsv"


def _hard(path: Path) -> Path:
    os.link(path, path.parent / "link.tsv")
    return path.parent / "link.tsv"


def _dotted(path: Path) -> Path:
    return path.parent / "." / ".." / path.parent.name / path.name


@pytest.mark.parametrize("spelled", [_same, _symbolic, _hard, _dotted])
def test_no_command_writes_over_what_it_reads(
    spelled: Callable[[Path], Path], settings: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("source\ttarget\neng01\tdeu01\n")
    out = spelled(path)
    common = {"encoder": settings["encoder"], "out": out, "overwrite": True}
    with pytest.raises(InputError, match=r"is the source, .*; give another path to write"):
        mine(MineConfig(source=str(path), target=settings["target"], **common), quiet=True)
    with pytest.raises(InputError, match="is the bitext"):
        score(ScoreConfig(bitext=path, **common), quiet=True)
    with pytest.raises(InputError, match="is the target"):
        align_documents(
            AlignDocumentsConfig(source=Path(settings["source"]), target=path, **common),
            quiet=True,
        )
    with pytest.raises(InputError, match=r"lies in the source, .*; give another path to write"):
        mine(MineConfig(**{**settings, "source": str(tmp_path)}), quiet=True)
    assert path.read_text().startswith("source\ttarget")


def test_room_that_is_enough_is_not_refused(tmp_path: Path) -> None:
    disk_space.check_room(tmp_path, 1, "vectors")
