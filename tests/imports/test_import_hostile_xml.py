"""TMX and XLIFF that are hostile, broken or huge do no harm, and are named with their line."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.imports.entries import ImportEntry
from hexapla.imports.tmx import read_tmx
from hexapla.imports.xliff import read_xliff
from hexapla.text.language_tags import LanguageTags

UNIT = '<tu><tuv xml:lang="en"><seg>{}</seg></tuv><tuv xml:lang="de"><seg>Hallo</seg></tuv></tu>'
SECRET = "the content of another file"


def tags() -> LanguageTags:
    return LanguageTags("eng_Latn", None)


def tmx(tmp_path: Path, units: str, prolog: str = "") -> list[ImportEntry]:
    path = tmp_path / "memory.tmx"
    path.write_text(
        f'{prolog}<tmx version="1.4"><header/><body>\n{units}\n</body></tmx>', encoding="utf-8"
    )
    return list(read_tmx(path, tags()))


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY x SYSTEM "file://{}">',
        '<!ENTITY x PUBLIC "-//X//Y" "file://{}">',
        '<!ENTITY % x SYSTEM "file://{}"> %x;',
        '<!ENTITY x "harmless">',
        '<!ENTITY a "ha ha ha"><!ENTITY b "&a;&a;&a;"><!ENTITY x "&b;&b;&b;">',
    ],
    ids=["external", "public", "parameter", "internal", "nested"],
)
@pytest.mark.parametrize("read", [read_tmx, read_xliff])
def test_a_declared_entity_ends_the_reading_before_it_is_used(
    tmp_path: Path, declaration: str, read: Callable[..., Iterator[ImportEntry]]
) -> None:
    (tmp_path / "secret").write_text(SECRET, encoding="utf-8")
    name = "tmx" if read is read_tmx else "xliff"
    path = tmp_path / f"hostile.{name}"
    path.write_text(
        f"<!DOCTYPE {name} [\n{declaration.format(tmp_path / 'secret')}]>\n<{name}>{UNIT.format('&x;')}</{name}>",
        encoding="utf-8",
    )
    with pytest.raises(
        InputError,
        match=rf'hostile\.{name}:2: the file declares the entity "[xa]"; .* never expanded',
    ) as error:
        list(read(path, tags()))
    assert SECRET not in str(error.value)


def test_a_billion_laughs_take_no_memory(tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">\n' for i in range(1, 10))
    tracemalloc.start()
    with pytest.raises(InputError, match=r'memory\.tmx:2: the file declares the entity "l0"'):
        tmx(
            tmp_path,
            UNIT.format("&l9;"),
            f'<!DOCTYPE tmx [\n<!ENTITY l0 "{"ha" * 1000}">\n{laughs}]>\n',
        )
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_a_document_type_is_not_loaded_and_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "tmx14.dtd").write_text(f'<!ENTITY x "{SECRET}">', encoding="utf-8")
    doctype = f'<!DOCTYPE tmx SYSTEM "{tmp_path}/tmx14.dtd">\n'
    (entry,) = tmx(tmp_path, UNIT.format("Hello"), doctype)
    assert [text for _, text in entry.texts] == ["Hello", "Hallo"]
    with pytest.raises(
        InputError,
        match=r'memory\.tmx:3: the entity "&x;" is not declared; write the character itself',
    ):
        tmx(tmp_path, UNIT.format("&x;"), doctype)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("&nbsp;", r"memory\.tmx:2: not well-formed XML: undefined entity at column"),
        ("R&D", r"memory\.tmx:2: not well-formed XML: not well-formed \(invalid token\) at column"),
        ("<b>", r"memory\.tmx:2: not well-formed XML: mismatched tag at column"),
        ("\x01", r"memory\.tmx:2: not well-formed XML"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tmx(tmp_path, UNIT.format(text))


def test_bytes_of_another_than_the_declared_encoding_are_named_with_their_line(
    tmp_path: Path,
) -> None:
    path = tmp_path / "latin.tmx"
    path.write_bytes(f"<tmx><body>\n{UNIT.format('fünf')}</body></tmx>".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.tmx:2: not well-formed XML"):
        list(read_tmx(path, tags()))


@pytest.mark.parametrize("encoding", ["shift_jis", "no-such-encoding"])
def test_an_encoding_that_the_parser_lacks_is_refused(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(
        InputError,
        match=r"memory\.tmx is in an encoding that cannot be read .*; save the file as UTF-8",
    ):
        tmx(tmp_path, UNIT, f'<?xml version="1.0" encoding="{encoding}"?>')


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "app.xlf"
    path.write_text("<tmx><body/></tmx>", encoding="utf-8")
    with pytest.raises(InputError, match=r"app\.xlf: the root is <tmx>; its ending says <xliff>"):
        list(read_xliff(path, tags()))


def test_memory_stays_flat_however_long_the_file(tmp_path: Path) -> None:
    def peak(n_units: int) -> int:
        path = tmp_path / f"{n_units}.tmx"
        path.write_text(
            f"<tmx><body>{(UNIT.format('Hello') + chr(10)) * n_units}</body></tmx>",
            encoding="utf-8",
        )
        tracemalloc.start()
        assert sum(1 for _ in read_tmx(path, tags())) == n_units
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    assert peak(4000) < 1.2 * peak(1000)
