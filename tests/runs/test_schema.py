"""A JSON file that a command left is read whole and right, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from hexapla.errors import InputError
from hexapla.runs import schema
from hexapla.runs.schema import (
    OPTIONAL,
    Count,
    FileName,
    RelativePath,
    Sha256,
    Stored,
    check_object,
    read_foreign,
    read_object,
    unique_keys,
)


class Part(Stored):
    file: FileName
    n_rows: Count


class Facts(Stored):
    parts: list[Part]
    share: float = OPTIONAL


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"it is not JSON"),
        (b"\xff\xfe{\0}\0", r"it is not UTF-8"),
        ('{"parts": []}'.encode("utf-16"), r"it is not UTF-8"),
        (b"\x80\x04K\x05.", r"it is not UTF-8"),
        (b"[1]", r"it is \[1\]; it must be an object"),
        (b'{"parts": [], "parts": []}', r'the key "parts" occurs twice'),
        (b'{"parts": [], "x": NaN}', r"it holds NaN, which is not a finite number"),
        (b'{"parts": [], "x": 1e999}', r"it holds Infinity, which is not a finite number"),
        (b'{"parts": [], "x": 1' + b"0" * 5000 + b"}", r"an integer of more than 64 bits"),
        (b'{"parts": [], "x": 1' + b"0" * 30 + b"}", r"an integer of more than 64 bits"),
        (b'{"parts": [], "x": "\\ud800"}', r"it has half a surrogate pair"),
        (b'{"parts": [], "x": ' + b"[" * 99 + b"]" * 99 + b"}", r"nested deeper than 64 levels"),
        (b'{"parts": [], "x": ' + b"[" * 10**5 + b"]" * 10**5 + b"}", r"nested deeper than 64"),
        (b"{}", r"it has no parts"),
        (b'{"parts": null}', r"parts is null; it must be a list"),
        (b'{"parts": [null]}', r"parts\[0\] is null; it must be an object"),
        (b'{"parts": [{"file": "x"}]}', r"parts\[0\] has no n_rows"),
        (b'{"parts": [{"file": "../x", "n_rows": 1}]}', r'file is "../x"; it must be a file name'),
        (b'{"parts": [{"file": "x", "n_rows": -1}]}', r"n_rows is -1; it must be 0 or more"),
        (b'{"parts": [{"file": "x", "n_rows": true}]}', r"n_rows is true; it must be a whole"),
        (b'{"parts": [], "share": null}', r"share is null; it must be a number"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name_and_key(
    tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"facts\.json is damaged: .*{told}") as refused:
        read_object(path, Facts, "write it again")
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300 + len(str(path))


def test_keys_of_other_versions_and_a_byte_order_mark_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(b'\xef\xbb\xbf{"parts": [{"file": "x", "n_rows": 0, "new": [null]}], "y": 1}')
    assert read_object(path, Facts)["parts"][0]["new"] == [None]


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "facts.json"
    with path.open("wb") as file:
        file.truncate(2**30)  # sparse
    with pytest.raises(InputError, match=r"facts\.json has 1,024 MiB; .* has at most 64 MiB"):
        read_object(path, Facts)
    with pytest.raises(InputError, match=r"nowhere\.json is missing or is no file"):
        read_object(tmp_path / "nowhere.json", Facts)
    with pytest.raises(InputError, match="is missing or is no file"):
        read_object(tmp_path, Facts)
    assert schema.MAX_MIB == 64


def test_an_integer_that_means_no_limit_to_another_program_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer_config.json"
    path.write_text('{"model_max_length": 1000000000000000019884624838656}', encoding="utf-8")
    assert read_foreign(path) == {"model_max_length": int(1e30)}
    for digits in (50, 5000):
        path.write_text('{"model_max_length": 1' + "0" * digits + "}", encoding="utf-8")
        with pytest.raises(InputError, match="an integer of more than 128 bits"):
            read_foreign(path)


def test_files_of_other_programs_may_repeat_keys_and_hold_infinity(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"a": 1, "a": Infinity}')
    assert read_foreign(path) == {"a": float("inf")}
    path.write_text("[" * 10**5)
    with pytest.raises(InputError, match=r"config\.json is damaged: it is nested deeper than 64"):
        read_foreign(path)


@pytest.mark.parametrize("name", ["", ".", "..", "/a", "a/b", "a\\b", "c:x", "a\0"])
def test_a_file_name_has_no_folder(name: str) -> None:
    class Named(Stored):
        file: FileName

    with pytest.raises(ValueError, match=r"file is .*; it must be a file name without a folder"):
        check_object({"file": name}, Named)


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "..\\a", "c:/x", "a\0"])
def test_a_path_stays_inside_its_folder(path: str) -> None:
    class Placed(Stored):
        table: RelativePath

    assert check_object({"table": "a/b.parquet"}, Placed)
    with pytest.raises(ValueError, match=r"table is .*; it must be a path inside the folder"):
        check_object({"table": path}, Placed)


def test_a_hash_has_64_digits() -> None:
    class Hashed(Stored):
        sha256: Sha256
        n: int = Field(default=1, lt=3)

    assert check_object({"sha256": "0" * 64}, Hashed)
    for wrong in ("", "0" * 63, "0" * 65, "G" * 64, "0" * 64 + "\n"):
        with pytest.raises(ValueError, match=r"sha256 is .*; it must be 64 hexadecimal digits"):
            check_object({"sha256": wrong}, Hashed)
    with pytest.raises(ValueError, match="n is 3; it must be below 3"):
        check_object({"sha256": "0" * 64, "n": 3}, Hashed)


def test_one_repeated_key_of_very_many_is_found_in_linear_time() -> None:
    pairs = [(f"k{number}", 0) for number in range(200_000)]
    with pytest.raises(ValueError, match='the key "k199999" occurs twice'):
        unique_keys([*pairs, pairs[-1]])
