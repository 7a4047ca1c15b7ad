"""The limit of a line, compressed or not, in every encoding and from standard input."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import pyarrow as pa
import pytest

from hexapla.errors import InputError
from hexapla.text.limits import MAX_TEXT_MIB, max_text_bytes, text_limit
from hexapla.text.lines import decode_lines, read_lines
from hexapla.text.special_files import refuse_special

MIB = 1 << 20
LONG = b"first\n" + b"x" * (3 * MIB) + b"\nlast\n"


def test_the_limit_holds_within_its_block_only() -> None:
    with text_limit(1):
        assert max_text_bytes() == MIB
    assert max_text_bytes() == MAX_TEXT_MIB * MIB


@pytest.mark.parametrize("name", ["x.txt", "x.txt.gz", "x.txt.zst"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_a_line_beyond_the_limit_is_refused(tmp_path: Path, name: str, encoding: str) -> None:
    content = LONG.decode().encode(encoding)
    if name.endswith(".gz"):
        content = gzip.compress(content, 1)
    elif name.endswith(".zst"):
        content = pa.compress(content, codec="zstd", asbytes=True)
    (tmp_path / name).write_bytes(content)
    with (
        text_limit(2),
        pytest.raises(InputError, match=r"x\.txt.*:2: the line is longer than 2 MiB.*--max-text"),
    ):
        list(read_lines(tmp_path / name))
    assert [len(line) for _, line in read_lines(tmp_path / name)] == [6, 3 * MIB + 1, 5]


def test_a_line_as_long_as_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"x" * (MIB - 1) + b"\n" + b"y" * MIB)
    with text_limit(1):
        assert [len(line) for _, line in read_lines(path)] == [MIB, MIB]


class _Endless(io.RawIOBase):
    """A stream that never ends, and counts what is taken from it."""

    n_taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        buffer[:] = b"x" * len(buffer)
        self.n_taken += len(buffer)
        return len(buffer)


def test_no_more_than_the_limit_is_taken_of_an_endless_line() -> None:
    stream = _Endless()
    with text_limit(1), pytest.raises(InputError, match="standard input:1: the line is longer"):
        list(decode_lines(io.BufferedReader(stream, MIB), "standard input"))
    assert stream.n_taken <= 3 * MIB


def test_lines_across_blocks_keep_their_numbers_and_marks(tmp_path: Path) -> None:
    lines = [f"{number} {'ä' * (number % 97)}\n" for number in range(30_000)]
    lines[20_000] = "\ufeffmarked\n"
    path = tmp_path / "x.txt"
    path.write_text("".join(lines) + "end", encoding="utf-8")
    lines[20_000] = "marked\n"
    assert list(read_lines(path)) == list(enumerate([*lines, "end"], start=1))
    path.write_bytes("".join(lines).encode() + b"\xff\n")
    with pytest.raises(InputError, match=r"x\.txt:30001: byte 1 of the line is not UTF-8"):
        list(read_lines(path))


def test_a_frame_with_a_huge_window_is_refused(tmp_path: Path) -> None:
    # The header of a frame: magic, no content size, and a window of 2 GiB (exponent 21).
    (tmp_path / "x.zst").write_bytes(b"\x28\xb5\x2f\xfd\x00" + bytes([21 << 3]) + b"\x01\x00\x00")
    with pytest.raises(InputError, match=r"x\.zst cannot be decompressed.*memory"):
        list(read_lines(tmp_path / "x.zst"))


def test_what_is_no_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    for path, kind in [(tmp_path / "pipe.txt", "a pipe"), (Path("/dev/zero"), "a device")]:
        with pytest.raises(InputError, match=rf"{path} is {kind}; .*pipe text into hexapla build"):
            refuse_special(path)
        with pytest.raises(InputError, match=f"is {kind}"):
            list(read_lines(path))
    refuse_special(tmp_path)
    refuse_special(tmp_path / "absent")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        list(read_lines(tmp_path))
    with pytest.raises(InputError, match="cannot be read: No such file or directory"):
        list(read_lines(tmp_path / "absent"))
