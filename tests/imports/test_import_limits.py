"""What an import holds at once has a limit: a segment, a tag, a unit, a message, a row."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.imports import import_corpus
from hexapla.imports.config import ImportConfig
from hexapla.imports.po import read_po
from hexapla.imports.table_columns import TableOptions
from hexapla.imports.table_entries import read_table
from hexapla.imports.tmx import read_tmx
from hexapla.imports.xliff import read_xliff
from hexapla.text.language_tags import LanguageTags
from hexapla.text.limits import text_limit

MIB = 1 << 20
TMX = '<tmx version="1.4"><header/><body>{}</body></tmx>'
SEGMENT = '<tu><tuv xml:lang="en"><seg>{}</seg></tuv></tu>'
XLIFF = (
    '<xliff version="1.2"><file source-language="en" target-language="de"><body><trans-unit>'
    "<source>x</source>{}</trans-unit></body></file></xliff>"
)
PO = 'msgid ""\nmsgstr "Language: de\\nContent-Type: text/plain; charset=UTF-8\\n"\n\n'
TAGS = LanguageTags("eng_Latn", None)


def read(path: Path) -> Iterator[object]:
    readers: dict[str, Callable[..., Iterator[object]]] = {
        ".tmx": read_tmx,
        ".xlf": read_xliff,
        ".po": read_po,
    }
    kind = Path(path.name.removesuffix(".gz")).suffix
    if kind in readers:
        return readers[kind](path, TAGS)
    return read_table(path, TAGS, TableOptions())


def many(text: str, n: int) -> str:
    return "".join(text.format(number) for number in range(n))


BOMBS = {
    "text.tmx": (TMX.format(SEGMENT.format("x" * 2 * MIB)), "text of <seg> is longer than 1 MiB"),
    "inline.tmx": (
        TMX.format(SEGMENT.format("<ph>x</ph>" * 120_000)),
        "text of <seg> is longer than 1 MiB",
    ),
    "attribute.tmx": (
        TMX.format(f'<tu x="{"x" * 2 * MIB}">'),
        "a tag or comment is longer than 0.125 MiB",
    ),
    "attributes.tmx": (TMX.format("<tu " + many("a{}='' ", 100_000) + ">"), "a tag or comment"),
    "comment.tmx": (TMX.format(f"<!--{'x' * MIB}-->"), "a tag or comment is longer"),
    "deep.tmx": (TMX.format(SEGMENT.format("<hi>" * 2000)), "to more than 1,000 levels"),
    "nested.xlf": (XLIFF.format("<group>" * 2000), "to more than 1,000 levels"),
    "names.tmx": (TMX.format(many("<a{}/>", 20_000)), "more than 16,384 names"),
    "prefixes.tmx": (TMX.format(many('<b xmlns:a{}="c"/>', 20_000)), "more than 16,384 names"),
    "variants.tmx": (
        TMX.format("<tu>" + '<tuv xml:lang="en"><seg/></tuv>' * 17_000 + "</tu>"),
        "more than 16,384 variants in one unit",
    ),
    "unit.tmx": (
        TMX.format(
            "<tu>" + f'<tuv xml:lang="en"><seg>{"x" * (MIB * 3 // 4)}</seg></tuv>' * 2 + "</tu>"
        ),
        "the unit is longer than 1 MiB",
    ),
    "targets.xlf": (XLIFF.format("<target/>" * 17_000), "more than 16,384 texts in one unit"),
    "code.xlf": (
        XLIFF.format("").replace(
            "<body>", f'<header><tag id="1"><ph>{"x" * 2000}</ph></tag></header><body>'
        ),
        "the code 1 is longer than 0.0009766 MiB",
    ),
    "lines.po": (PO + 'msgid "x"\nmsgstr ""\n' + '"xxxxxxxx"\n' * 2000, "the message is longer"),
    "comments.po": (PO + "#. xxxxxxxxx\n" * 2000 + 'msgid "x"\nmsgstr "y"\n', "the message is"),
    "whole.po": (PO + '\nmsgid "x"\nmsgstr "y"\n' * 120_000, "read whole, is longer than 2 MiB"),
    "line.jsonl": ('{"en": "' + "x" * 2 * MIB + '"}', r"\.gz:1: the line is longer than 1 MiB"),
    "line.tsv": ("en\tde\n" + "x" * 2 * MIB, r"\.gz:2: the line is longer than 1 MiB"),
    "open.csv": (
        'en,de\n"a,b\n' + "c,d\n" * 400_000,
        r"\.gz:2: the row is longer than 1 MiB.*lines 2 to \d+ are one row for a quote that opens",
    ),
    "cells.csv": ("en,de\n" + '"a\nb",' * 200_000, r"\.gz:2: the row is longer than 1 MiB"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_of_any_kind_is_refused_at_its_limit(tmp_path: Path, name: str) -> None:
    content, message = BOMBS[name]
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(content.encode(), 1))
    with text_limit(1), pytest.raises(InputError, match=message):
        list(read(path))


def test_the_setting_changes_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f'{{"en": "Good day", "de": "Guten Tag", "note": "{"x" * (MIB * 3 // 2)}"}}\n')
    with pytest.raises(InputError, match=r"x\.jsonl:1: the line is longer than 1 MiB"):
        import_corpus(
            ImportConfig(files=(str(path),), out=tmp_path / "a", max_text_mib=1), quiet=True
        )
    assert not (tmp_path / "a").exists()
    corpus = import_corpus(
        ImportConfig(files=(str(path),), out=tmp_path / "b", max_text_mib=2), quiet=True
    )
    assert corpus.n_rows == 1


def test_long_native_code_takes_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "x.tmx"
    codes = [f"&lt;{' ' * 500_000}", "START_" * 80_000 + "!"]
    texts = "".join(f"a<ph>{code}</ph>b" for code in codes)
    path.write_text(TMX.format(SEGMENT.format(texts)), encoding="utf-8")
    assert len(list(read_tmx(path, TAGS))) == 1
