"""An extension that is interrupted, resumed or wrongly asked for: the corpus that was there is safe."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.build import build
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.shards import file_facts
from hexapla.corpus.work_folder import REPLACED
from hexapla.errors import InputError
from hexapla.sources.config import SourceConfig
from hexapla.translate.config import TranslatorConfig
from tests.build.test_extension import RIGHT, extension_of, origin_in
from tests.fixtures.builds import N_ROWS, tree
from tests.fixtures.toy import toy_rows
from tests.fixtures.toy_translator import CountingTranslator, ToyTranslator

ADD: dict[str, Any] = {"add": ("spa_Latn",)}
TOP_UP: dict[str, Any] = {"top_up": True}


@pytest.mark.parametrize("mode", [ADD, TOP_UP])
def test_a_resumed_extension_asks_for_what_is_missing_and_ends_in_the_same_bytes(
    tmp_path: Path, mode: dict[str, Any]
) -> None:
    origin_in(tmp_path, gaps=4)
    shards = {"rows_per_shard": 10, "translator": ToyTranslator(multilingual=False), **mode}
    build(extension_of(tmp_path, **shards), quiet=True)
    whole = tree(tmp_path / "new")
    shutil.rmtree(tmp_path / "new")
    failing = {**shards, "translator": CountingTranslator(multilingual=False, fail_at=1)}
    with pytest.raises(InputError, match="broken down"):
        build(extension_of(tmp_path, **failing), quiet=True)
    counting = CountingTranslator(multilingual=False)
    resumed = {**shards, "translator": counting, "resume": True}
    build(extension_of(tmp_path, **resumed), quiet=True)
    n_first = sum(n for n, retry in counting.calls if not retry)
    assert n_first == (N_ROWS if mode == ADD else N_ROWS // 4) - 10
    assert tree(tmp_path / "new") == whole
    build(extension_of(tmp_path, **resumed), quiet=True)
    assert sum(n for n, retry in counting.calls if not retry) == n_first
    assert tree(tmp_path / "new") == whole


@pytest.mark.parametrize("mode", [ADD, TOP_UP])
def test_a_corpus_is_replaced_only_when_its_extension_is_whole(
    tmp_path: Path, mode: dict[str, Any]
) -> None:
    origin_in(tmp_path)
    in_place: dict[str, Any] = {"out": tmp_path / "corpus", "rows_per_shard": 5, **mode}
    with pytest.raises(InputError, match=r"corpus is not empty; .* --overwrite"):
        build(extension_of(tmp_path, **in_place), quiet=True)
    before = tree(tmp_path / "corpus")
    failing = {"translator": CountingTranslator(bad=RIGHT, fail_at=1), "overwrite": True}
    with pytest.raises(InputError, match="broken down"):
        build(extension_of(tmp_path, **in_place, **failing), quiet=True)
    assert tree(tmp_path / "corpus") == before
    (tmp_path / "corpus" / "notes.txt").write_text("mine")
    right = {"translator": ToyTranslator(bad=RIGHT), "resume": True}
    build(extension_of(tmp_path, **in_place, **right), quiet=True)
    after = open_corpus(tmp_path / "corpus")
    language = "spa_Latn" if mode == ADD else "deu_Latn"
    expected = [f"{row[language]}." for row in toy_rows(N_ROWS)]
    assert after.cells(language) == expected
    assert (after.path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "corpus.building").exists()


@pytest.mark.parametrize("mode", [ADD, TOP_UP])
@pytest.mark.parametrize("is_left", [True, False])
def test_an_extension_in_place_that_is_finished_is_found_again(
    tmp_path: Path, mode: dict[str, Any], is_left: bool
) -> None:
    origin_in(tmp_path)
    in_place: dict[str, Any] = {"out": tmp_path / "corpus", **mode}
    report = build(extension_of(tmp_path, **in_place, overwrite=True), quiet=True)
    whole = tree(tmp_path)
    if is_left:  # as by a kill after the exchange of the two folders
        work = tmp_path / "corpus.building"
        (work / "corpus").mkdir(parents=True)
        shutil.copy(tmp_path / "corpus" / "run.json", work / "run.json")
    counting = CountingTranslator()
    config = extension_of(tmp_path, **in_place, resume=True, translator=counting)
    assert build(config, quiet=True).to_json() == report.to_json()
    assert counting.calls == () and tree(tmp_path) == whole
    other = extension_of(tmp_path, **in_place, resume=True, translator=ToyTranslator(beam_size=1))
    with pytest.raises(InputError, match=r"translator\.beam_size was 4 and is 1"):
        build(other, quiet=True)


def test_an_interrupted_extension_of_an_extended_corpus_goes_on(tmp_path: Path) -> None:
    origin_in(tmp_path)
    in_place: dict[str, Any] = {"out": tmp_path / "corpus"}
    build(extension_of(tmp_path, **in_place, **ADD, overwrite=True), quiet=True)
    failing = {"translator": CountingTranslator(fail_at=0), "overwrite": True}
    with pytest.raises(InputError, match="broken down"):
        build(extension_of(tmp_path, **in_place, **TOP_UP, **failing), quiet=True)
    build(extension_of(tmp_path, **in_place, **TOP_UP, resume=True), quiet=True)
    after = open_corpus(tmp_path / "corpus")
    assert [each["kind"] for each in after.manifest["extensions"]] == ["add", "top_up"]
    assert after.languages[-1] == "spa_Latn"


def test_a_corpus_that_a_kill_left_moved_aside_is_put_back_and_extended(tmp_path: Path) -> None:
    origin_in(tmp_path)
    in_place: dict[str, Any] = {"out": tmp_path / "corpus", **ADD}
    failing = {"translator": CountingTranslator(fail_at=0), "overwrite": True}
    with pytest.raises(InputError, match="broken down"):
        build(extension_of(tmp_path, **in_place, **failing), quiet=True)
    (tmp_path / "corpus").rename(tmp_path / "corpus.building" / REPLACED)
    build(extension_of(tmp_path, **in_place, resume=True), quiet=True)
    assert len(open_corpus(tmp_path / "corpus")) == N_ROWS
    assert not (tmp_path / "corpus.building").exists()


def test_a_corpus_that_changed_refuses_to_resume(tmp_path: Path) -> None:
    origin_in(tmp_path)
    with pytest.raises(InputError, match="broken down"):
        build(extension_of(tmp_path, **ADD, translator=CountingTranslator(fail_at=0)), quiet=True)
    shutil.rmtree(tmp_path / "corpus")
    origin_in(tmp_path, gaps=5)
    with pytest.raises(InputError, match=r"another run \(corpus\.sha256 was"):
        build(extension_of(tmp_path, **ADD, resume=True), quiet=True)
    part = tmp_path / "corpus" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"part-00000\.parquet is truncated"):
        build(extension_of(tmp_path, **ADD, resume=True), quiet=True)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (ADD | TOP_UP, "--add and --top-up exclude each other"),
        ({**ADD, "to": ("fra_Latn",)}, "add is spa_Latn and to is fra_Latn; name the new"),
        ({"add": ("deu_Latn", "spa_Latn")}, "corpus has a column deu_Latn already"),
        ({"add": ("eng_Latn",)}, "eng_Latn is the pivot of .*corpus"),
        ({"add": ("jpn_Jpan",)}, "has no jpn_Jpan"),
        ({**TOP_UP, "to": ("spa_Latn",)}, "has no column spa_Latn, it has deu_Latn, fra_Latn"),
        ({**TOP_UP, "to": ("eng_Latn",)}, "of which no cell is missing"),
        ({**TOP_UP, "to": ("indic",)}, "indic gives no language|no language of indic"),
        ({**TOP_UP, "to": ("fra_Latn",)}, "nothing to fill; each of its 60 rows .* fra_Latn"),
        ({**ADD, "resume": True}, "no run to resume"),
    ],
)
def test_an_extension_that_cannot_be_is_refused(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    origin_in(tmp_path)
    with pytest.raises(InputError, match=told):
        build(extension_of(tmp_path, **changes), quiet=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "filters.toml"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"texts": ("table.tsv",)}, "table.tsv is a file; .* extend a corpus folder: .*import"),
        ({"texts": ("nowhere",)}, "there is no corpus at nowhere"),
        ({"texts": ("corpus.building",)}, "is no corpus folder: it has no corpus.json"),
        ({"texts": ("corpus", "corpus")}, "2 texts are given, .* one corpus folder"),
        ({"texts": ("corpus",), "limit": 5}, "limit is 5, which is a setting of texts"),
        ({"texts": ("corpus",), "pivot": "fra_Latn"}, "pivot is fra_Latn, and that of .* eng_Latn"),
    ],
)
def test_what_is_no_corpus_to_extend_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: dict[str, Any], told: str
) -> None:
    origin_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("table.tsv").write_text("eng_Latn\tdeu_Latn\nHouse\tHaus\n")
    Path("corpus.building").mkdir()
    with pytest.raises(InputError, match=told):
        extension_of(tmp_path, source=SourceConfig(**source), **ADD)


def test_neither_languages_nor_an_extension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^no to; name the languages .* \(--to\)"):
        extension_of(tmp_path)


def test_the_new_corpus_does_not_lie_in_the_old_one(tmp_path: Path) -> None:
    origin_in(tmp_path)
    with pytest.raises(InputError, match=r"inner: lies in the corpus"):
        build(extension_of(tmp_path, **ADD, out=tmp_path / "corpus" / "inner"), quiet=True)


def test_a_translator_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    origin_in(tmp_path)
    codes = ("eng_Latn=en", "fra_Latn=fr")
    translator = TranslatorConfig(translator="cat {target}", backend="command", codes=codes)
    with pytest.raises(InputError, match="codes has no deu_Latn"):
        build(extension_of(tmp_path, **TOP_UP, translator=translator), quiet=True)


def test_a_row_without_its_pivot_is_refused(tmp_path: Path) -> None:
    origin_in(tmp_path)
    part = tmp_path / "corpus" / "part-00000.parquet"
    table = pq.read_table(part)
    cells = [None, *table.column("eng_Latn").to_pylist()[1:]]
    place = table.schema.get_field_index("eng_Latn")
    pq.write_table(table.set_column(place, "eng_Latn", pa.array(cells, pa.string())), part)
    manifest = json.loads((tmp_path / "corpus" / "corpus.json").read_text())
    manifest["shards"] = [file_facts(part) | {"n_rows": N_ROWS}]
    (tmp_path / "corpus" / "corpus.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"row 1 has no eng_Latn cell; every row needs its pivot"):
        build(extension_of(tmp_path, **ADD), quiet=True)
