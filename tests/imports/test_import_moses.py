"""Moses files: how names say which files belong together, and in which languages they are."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hexapla.corpus.reader import Corpus
from hexapla.errors import InputError
from hexapla.imports import ImportConfig, import_corpus


def write(folder: Path, texts: Mapping[str, str]) -> list[str]:
    """Write one line into each file, compressed if the name says so."""
    for name, text in texts.items():
        data = f"{text}\n".encode()
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return [str(folder / name) for name in texts]


def run(folder: Path, files: list[str], **settings: Any) -> Corpus:
    config = ImportConfig(files=tuple(files), out=folder / "out", overwrite=True, **settings)
    return import_corpus(config, quiet=True)


@pytest.mark.parametrize(
    ("ending", "text", "asked", "code"),
    [
        ("zh", "你好", "zh-Hans", "zho_Hans"),
        ("zh", "你好", "zh-Hant", "zho_Hant"),
        ("zh_TW", "你好", None, "zho_Hant"),
        ("es_ar", "Hola", None, "spa_Latn"),
        ("es_AR.gz", "Hola", None, "spa_Latn"),
        ("fr_ca", "Salut", "fr", "fra_Latn"),
        ("sr@latin", "Zdravo", None, "srp_Latn"),
        ("sr@latin.gz", "Zdravo", "srp_Latn", "srp_Latn"),
    ],
)
def test_an_ending_says_the_language_as_any_tag_does(
    tmp_path: Path, ending: str, text: str, asked: str | None, code: str
) -> None:
    suffix = ".gz" if ending.endswith(".gz") else ""
    files = write(tmp_path, {f"News.en-zh.en{suffix}": "Hello", f"News.en-zh.{ending}": text})
    settings = {"languages": ("en", asked)} if asked else {}
    assert list(run(tmp_path, files, **settings).rows()) == [{"eng_Latn": "Hello", code: text}]


def test_an_ambiguous_ending_names_the_setting_that_settles_it(tmp_path: Path) -> None:
    files = write(tmp_path, {"News.en-zh.en": "Hello", "News.en-zh.zh": "你好"})
    with pytest.raises(
        InputError, match=r'News\.en-zh\.zh: language "zh" is ambiguous; .*--languages'
    ):
        run(tmp_path, files)


def test_an_ending_in_another_script_is_not_asked_for(tmp_path: Path) -> None:
    files = write(tmp_path, {"x.en": "Hello", "x.sr@latin": "Zdravo", "x.de": "Hallo"})
    corpus = run(tmp_path, files, languages=("en", "de"))
    (source,) = corpus.manifest["import"]["sources"]
    assert source["left_out_texts"] == {"not asked for": 1}
    with pytest.raises(
        InputError,
        match=r"no file has usable text in srp_Cyrl; .*there is text in .*srp_Latn \(1\)",
    ):
        run(tmp_path, files, languages=("en", "srp_Cyrl"))


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize(
    ("asked", "chosen"),
    [(None, "o ônibus"), (("en", "pt-PT"), "o autocarro"), (("pt",), "o ônibus")],
)
def test_of_two_regions_of_a_language_the_order_of_the_files_does_not_decide(
    tmp_path: Path, is_reversed: bool, asked: tuple[str, ...] | None, chosen: str
) -> None:
    files = write(tmp_path, {"x.pt_PT": "o autocarro", "x.pt_BR": "o ônibus", "x.en": "the bus"})
    corpus = run(tmp_path, files[::-1] if is_reversed else files, languages=asked)
    assert list(corpus.rows()) == [{"eng_Latn": "the bus", "por_Latn": chosen}]
    (source,) = corpus.manifest["import"]["sources"]
    assert source["left_out_texts"] == {"another variant of the language": 1}
    assert [Path(name).suffix for name in corpus.manifest["columns"]["por_Latn"]["from"]] == (
        [".pt_BR", ".pt_PT"] if is_reversed else [".pt_PT", ".pt_BR"]
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["x.pot"], r'x\.pot has the ending "\.pot"; .*; a template has no translations: give the'),
        (["x.json"], r'has the ending "\.json"; an import .*; JSON lines are called \.jsonl'),
        (
            ["x.backup.gz"],
            r'x\.backup\.gz has the ending "\.backup"; an import takes \.tmx.* like \.de$',
        ),
        (["x.en-de"], r'x\.en-de has the ending "\.en-de"; an import takes'),
        (["x.pt_BR", "x.pt_PT"], r"has no eng_Latn, the pivot .*; it has por_Latn"),
        (["x.de", "x.ger"], r"x\.de and .*x\.ger are both deu_Latn; give one of them"),
    ],
)
def test_a_file_that_belongs_to_no_group_is_refused(
    tmp_path: Path, names: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run(tmp_path, write(tmp_path, dict.fromkeys(names, "text")))
