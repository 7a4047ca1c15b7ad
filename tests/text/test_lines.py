"""Lines of text files: padding, joined members, byte order marks, other line separators."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from hexapla.errors import InputError
from hexapla.text.lines import read_lines

TEXT = "one\ttwo\nthree\tfour\n"
LINES = [(1, "one\ttwo\n"), (2, "three\tfour\n")]
PACKED = gzip.compress(TEXT.encode(), mtime=0)  # else the names of tests have the time


def lines_of(path: Path, content: bytes) -> list[tuple[int, str]]:
    path.write_bytes(content)
    return list(read_lines(path))


def test_zero_bytes_after_or_between_the_members_of_a_gzip_file_are_padding(tmp_path: Path) -> None:
    assert lines_of(tmp_path / "x.gz", PACKED + bytes(512)) == LINES
    joined = lines_of(tmp_path / "x.gz", PACKED + bytes(700) + PACKED)
    assert [line for _, line in joined] == [line for _, line in LINES * 2]


def test_other_bytes_after_a_gzip_file_are_damage(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.gz cannot be decompressed: it is truncated, altered"):
        lines_of(tmp_path / "x.gz", PACKED + b"more")
    with pytest.raises(InputError, match=r"x\.gz cannot be decompressed: it is truncated"):
        lines_of(tmp_path / "x.gz", PACKED[:-9])
    altered = PACKED[:14] + bytes([PACKED[14] ^ 255]) + PACKED[15:]
    with pytest.raises(InputError, match=r"x\.gz cannot be decompressed: it is truncated, altered"):
        lines_of(tmp_path / "x.gz", altered)


def test_joined_zstd_frames_are_read_to_the_last(tmp_path: Path) -> None:
    frame = pa.compress(TEXT.encode(), codec="zstd", asbytes=True)
    assert [line for _, line in lines_of(tmp_path / "x.zst", frame * 2)] == [
        line for _, line in LINES * 2
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    assert lines_of(tmp_path / "x.tsv", TEXT.encode(encoding)) == LINES
    assert lines_of(tmp_path / "x.tsv.gz", gzip.compress(TEXT.encode(encoding))) == LINES


def test_a_mark_at_the_beginning_of_a_later_line_is_removed(tmp_path: Path) -> None:
    joined = lines_of(tmp_path / "x.tsv", TEXT.encode("utf-8-sig") * 2)
    assert [line for _, line in joined] == [line for _, line in LINES * 2]


def test_damaged_utf_16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.tsv: after line 1 it is not UTF-16"):
        lines_of(tmp_path / "x.tsv", TEXT.encode("utf-16")[:-1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PACKED, r"x\.tsv is compressed; end its name in \.gz"),
        (b"\x28\xb5\x2f\xfd\x04", r"x\.tsv is compressed; end its name in \.zst"),
        (b"\xfd7zXZ\x00", r"x\.tsv is compressed by xz; give it plain or as \.gz or \.zst"),
        (b"PK\x03\x04\x14", r"x\.tsv is an archive or a spreadsheet \(ZIP\)"),
    ],
    ids=["gzip", "zstd", "xz", "zip"],
)
def test_a_compressed_file_with_a_plain_name_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        lines_of(tmp_path / "x.tsv", content)


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    text = "a\u2028b\u0085c\x0bd\x0ce\u2029f\rg\r\n"
    for encoding in ("utf-8", "utf-16"):
        assert lines_of(tmp_path / "x.txt", text.encode(encoding)) == [(1, text)]
