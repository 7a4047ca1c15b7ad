"""Reading a corpus: what was written comes back, a row keeps its id and its side, and damage is named.

Invariants: splits part the rows and do not move them when a corpus grows or is reordered; a
dataset's cache holds only what the hash in its name says; a damaged folder is one clear error
before any work.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hexapla
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.corpus.rows import is_held_out, row_id
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError

LANGUAGES = ("eng_Latn", "deu_Latn", "arb_Arab")
ROWS: list[dict[str, str | None]] = [
    {"eng_Latn": "Good morning", "deu_Latn": "Guten Morgen", "arb_Arab": "صباح الخير"},
    {"eng_Latn": 'He said "no"\tand left', "deu_Latn": None, "arb_Arab": "قال لا"},
    {"eng_Latn": " one\u2028two\r\nthree ", "deu_Latn": "eins, zwei", "arb_Arab": None},
    {"eng_Latn": "family 👩‍👧", "deu_Latn": "Familie", "arb_Arab": "عائلة"},
    {"eng_Latn": "last", "deu_Latn": "zuletzt", "arb_Arab": "أخيرا"},
]


def many_rows(n_rows: int) -> list[dict[str, str | None]]:
    return [{code: f"{code} {i}" for code in LANGUAGES} for i in range(n_rows)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five rows in three shards of at most two."""
    return write_corpus(ROWS, tmp_path / "corpus", languages=LANGUAGES, rows_per_shard=2).path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def edit_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "corpus.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# Rows and ids


def test_a_row_id_is_blake2b_of_the_pivot_text() -> None:
    assert row_id("Good morning") == hashlib.blake2b(b"Good morning", digest_size=16).hexdigest()


def test_a_row_id_ignores_whitespace_and_unicode_form_but_not_case() -> None:
    assert row_id(" caf\u00e9 \n\u3000au  lait ") == row_id("cafe\u0301 au lait")
    assert row_id("US") != row_id("us")
    # NFKC would make a half and one over two the same.
    assert row_id("\u00bd") != row_id("1\u20442")


def test_rows_come_back_as_written_whatever_the_batch_and_shard_size(folder: Path) -> None:
    corpus = open_corpus(folder)
    assert (corpus.languages, corpus.pivot, corpus.name, len(corpus)) == (
        LANGUAGES,
        "eng_Latn",
        "corpus",
        5,
    )
    assert len(corpus.manifest["shards"]) == 3
    assert list(corpus.rows()) == ROWS
    for n_rows in (1, 2, 100):
        batches = list(corpus.batches(n_rows=n_rows))
        assert max(batch.num_rows for batch in batches) <= n_rows
        assert [batch.schema.names for batch in batches] == [["row_id", *LANGUAGES]] * len(batches)
        assert pa.Table.from_batches(batches).drop_columns("row_id").to_pylist() == ROWS
    for code in LANGUAGES:
        assert corpus.cells(code) == [row[code] for row in ROWS]
    assert corpus.row_ids() == [row_id(str(row["eng_Latn"])) for row in ROWS]


def test_languages_select_and_order_the_columns_and_the_pivot_comes_first(folder: Path) -> None:
    assert open_corpus(folder, languages=["ar", "en"]).languages == ("eng_Latn", "arb_Arab")
    without_pivot = open_corpus(folder, languages=["Arabic", "de"])
    assert (without_pivot.languages, without_pivot.pivot) == (("arb_Arab", "deu_Latn"), "eng_Latn")
    assert without_pivot.row_ids() == open_corpus(folder).row_ids()
    (first, *_) = open_corpus(folder).batches(["ar", "en"])
    assert first.schema.names == ["row_id", "arb_Arab", "eng_Latn"]


def test_another_pivot_keeps_the_row_ids_and_must_have_every_cell(
    tmp_path: Path, folder: Path
) -> None:
    full = write_corpus(many_rows(4), tmp_path / "full", languages=LANGUAGES)
    german = open_corpus(full.path, pivot="de")
    assert (german.languages[0], german.pivot, german.row_ids()) == (
        "deu_Latn",
        "deu_Latn",
        full.row_ids(),
    )
    with pytest.raises(
        InputError,
        match=r"part-00000\.parquet: row 2 has no deu_Latn cell; every row needs its pivot",
    ):
        open_corpus(folder, pivot="deu_Latn")


def test_batches_are_read_lazily(folder: Path) -> None:
    (folder / "part-00001.parquet").write_bytes(b"ruined")
    batches = open_corpus(folder, verify=False).batches()
    assert next(batches).num_rows == 2
    with pytest.raises(InputError, match=r"part-00001\.parquet cannot be read as Parquet"):
        next(batches)


def test_the_hash_tells_selections_splits_and_contents_apart(tmp_path: Path, folder: Path) -> None:
    corpus = open_corpus(folder)
    kept, held_out = corpus.split(0.5)
    other = write_corpus(ROWS[::-1], tmp_path / "reversed", languages=LANGUAGES)
    selections = [corpus, open_corpus(folder, languages=["en", "de"]), kept, held_out, other]
    assert len({selection.sha256 for selection in selections}) == 5
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    assert open_corpus(copy).sha256 == corpus.sha256


# Splits


def test_a_split_parts_the_rows_in_order_and_by_id(tmp_path: Path) -> None:
    corpus = write_corpus(
        many_rows(400), tmp_path / "corpus", languages=LANGUAGES, rows_per_shard=150
    )
    kept, held_out = corpus.split(0.25)
    expected = [is_held_out(row, 0.25) for row in corpus.row_ids()]
    assert held_out.row_ids() == [
        row for row, out in zip(corpus.row_ids(), expected, strict=True) if out
    ]
    assert kept.row_ids() == [
        row for row, out in zip(corpus.row_ids(), expected, strict=True) if not out
    ]
    assert (len(kept), len(held_out)) == (
        len(kept.cells("deu_Latn")),
        len(held_out.cells("deu_Latn")),
    )
    assert 70 <= len(held_out) <= 130  # 100 expected, 8.7 is one standard deviation
    assert [row["eng_Latn"] for row in held_out.rows()] == held_out.cells("eng_Latn")


def test_rows_keep_their_side_when_the_corpus_grows_and_is_reordered(tmp_path: Path) -> None:
    rows = many_rows(300)
    small = write_corpus(rows[:100], tmp_path / "small", languages=LANGUAGES)
    large = write_corpus(rows[::-1], tmp_path / "large", languages=LANGUAGES, rows_per_shard=7)
    assert set(small.split(0.2)[1].row_ids()) == set(large.split(0.2)[1].row_ids()) & set(
        small.row_ids()
    )
    assert set(large.split(0.1)[1].row_ids()) < set(large.split(0.2)[1].row_ids())


def test_a_part_can_be_split_again(tmp_path: Path) -> None:
    corpus = write_corpus(many_rows(400), tmp_path / "corpus", languages=LANGUAGES)
    rest, test = corpus.split(0.25)
    train, dev = rest.split(0.25)
    assert 45 <= len(dev) <= 105  # 75 expected; the same ids drawn again would leave none
    assert sorted(train.row_ids() + dev.row_ids() + test.row_ids()) == sorted(corpus.row_ids())


def test_a_share_of_zero_holds_nothing_out(folder: Path) -> None:
    kept, held_out = open_corpus(folder).split(0.0)
    assert (len(kept), len(held_out), list(held_out.batches()), len(held_out.dataset())) == (
        5,
        0,
        [],
        0,
    )


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_outside_0_to_1_is_refused(folder: Path, share: float) -> None:
    with pytest.raises(InputError, match="it must be at least 0 and less than 1"):
        open_corpus(folder).split(share)


# Dataset


def test_a_dataset_gives_the_rows_at_any_indices(folder: Path) -> None:
    corpus = open_corpus(folder)
    dataset = corpus.dataset(["arb_Arab", "eng_Latn"])
    assert dataset.column_names == ["row_id", "arb_Arab", "eng_Latn"]
    drawn = dataset[[4, 0, 2]]
    assert drawn["arb_Arab"] == [ROWS[i]["arb_Arab"] for i in (4, 0, 2)]
    assert drawn["row_id"] == [corpus.row_ids()[i] for i in (4, 0, 2)]
    _, held_out = corpus.split(0.5)
    assert held_out.dataset()["row_id"][:] == held_out.row_ids()


def test_a_dataset_is_memory_mapped_from_a_cache_named_by_content(
    tmp_path: Path, folder: Path, cache: Path
) -> None:
    def cache_file(corpus: Corpus) -> Path:
        return Path(corpus.dataset().cache_files[0]["filename"])

    corpus = open_corpus(folder)
    first = cache_file(corpus)
    assert first.parent == cache / "hexapla"
    made = first.stat().st_mtime_ns
    assert cache_file(open_corpus(shutil.copytree(folder, tmp_path / "copy"))) == first
    assert first.stat().st_mtime_ns == made
    changed = write_corpus(ROWS[::-1], folder, languages=LANGUAGES, overwrite=True)
    assert cache_file(changed) != first
    assert cache_file(changed.split(0.5)[0]) != cache_file(changed.split(0.5)[1])


def test_damaged_shards_never_enter_the_cache(tmp_path: Path, folder: Path, cache: Path) -> None:
    other = write_corpus(many_rows(50), tmp_path / "other", languages=LANGUAGES)
    shutil.copy(other.path / "part-00000.parquet", folder / "part-00000.parquet")
    with pytest.raises(InputError, match=r"part-00000\.parquet was altered"):
        open_corpus(folder, verify=False).dataset()
    assert list(cache.rglob("*.arrow")) == []


def test_load_dataset_reads_the_folder_as_it_is(tmp_path: Path, folder: Path) -> None:
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "hub"))
    assert list(loaded) == ["train"]
    assert loaded["train"].column_names == ["row_id", *LANGUAGES]
    assert loaded["train"]["arb_Arab"][:] == [row["arb_Arab"] for row in ROWS]


# What is refused


def test_a_truncated_shard_is_refused(folder: Path) -> None:
    shard = folder / "part-00001.parquet"
    n_bytes = shard.stat().st_size
    os.truncate(shard, 300)
    with pytest.raises(
        InputError, match=rf"part-00001\.parquet is truncated: 300 of {n_bytes:,} bytes"
    ):
        open_corpus(folder)
    with pytest.raises(
        InputError, match=r"part-00001\.parquet cannot be read as Parquet: it is truncated"
    ):
        open_corpus(folder, verify=False).cells("deu_Latn")


def test_a_flipped_bit_is_refused_by_hash_and_by_page_checksum(folder: Path) -> None:
    shard = folder / "part-00002.parquet"
    content = bytearray(shard.read_bytes())
    content[content.index(b"last") + 1] ^= 1  # inside the first page of the pivot
    shard.write_bytes(content)
    with pytest.raises(InputError, match=r"part-00002\.parquet was altered"):
        open_corpus(folder)
    with pytest.raises(InputError, match="CRC checksum verification failed"):
        open_corpus(folder, verify=False).cells("eng_Latn")


def test_a_missing_shard_is_refused(folder: Path) -> None:
    (folder / "part-00002.parquet").unlink()
    with pytest.raises(
        InputError, match=r"part-00002\.parquet is missing; the corpus is not whole"
    ):
        open_corpus(folder)
    with pytest.raises(InputError, match=r"part-00002\.parquet cannot be read as Parquet"):
        open_corpus(folder, verify=False).row_ids()


def test_row_counts_that_disagree_are_refused(folder: Path) -> None:
    shards = json.loads((folder / "corpus.json").read_text())["shards"]
    shards[0]["n_rows"] = 3
    edit_manifest(folder, shards=shards)
    with pytest.raises(
        InputError, match=r"corpus\.json is damaged: its shards have 6 rows, the corpus 5"
    ):
        open_corpus(folder, verify=False)
    edit_manifest(folder, n_rows=6)
    with pytest.raises(InputError, match=r"part-00000\.parquet has 2 rows; it should have 3"):
        open_corpus(folder)


def test_a_null_pivot_in_a_shard_is_refused(folder: Path) -> None:
    shard = folder / "part-00001.parquet"
    table = pq.read_table(shard)
    table = table.set_column(1, "eng_Latn", pa.array(["here", None], pa.string()))
    pq.write_table(table, shard)
    shards = json.loads((folder / "corpus.json").read_text())["shards"]
    content = shard.read_bytes()
    shards[1] |= {"sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(content)}
    edit_manifest(folder, shards=shards)
    unverified = open_corpus(folder, verify=False)
    for use in (lambda: open_corpus(folder), lambda: list(unverified.batches(n_rows=1))):
        with pytest.raises(
            InputError, match=r"part-00001\.parquet: row 2 has no eng_Latn cell; every row needs"
        ):
            use()


def test_languages_that_the_corpus_lacks_are_refused(folder: Path) -> None:
    corpus = open_corpus(folder, languages=["en", "de"])
    for use in (
        lambda: open_corpus(folder, languages=["en", "fr"]),
        lambda: open_corpus(folder, pivot="fr"),
        lambda: corpus.cells("fr"),
        lambda: corpus.dataset(["fr"]),
    ):
        with pytest.raises(
            InputError, match="corpus has no column fra_Latn; it has eng_Latn, deu_Latn"
        ):
            use()
    with pytest.raises(InputError, match=r"has no column arb_Arab; it has eng_Latn, deu_Latn$"):
        corpus.cells("arb_Arab")
    with pytest.raises(InputError, match="n_rows is 0; a batch has at least 1 row"):
        corpus.batches(n_rows=0)


# The packaged sample, and what importing costs


def test_the_word_sample_means_the_packaged_corpus_and_a_path_means_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = write_corpus(ROWS, tmp_path / "package" / "data" / "sample", languages=LANGUAGES)
    write_corpus(many_rows(2), tmp_path / "here" / "sample", languages=LANGUAGES)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("hexapla.corpus.reader.resources.files", lambda _: tmp_path / "package")
    assert open_corpus("sample").sha256 == packaged.sha256
    assert len(open_corpus("./sample")) == len(open_corpus(Path("sample"))) == 2
    shutil.rmtree(packaged.path)
    with pytest.raises(InputError, match="the packaged sample is missing"):
        open_corpus("sample")


def test_importing_the_corpus_imports_nothing_heavier_than_pyarrow() -> None:
    code = (
        "import sys, hexapla.corpus.reader, hexapla.corpus.writer, hexapla.corpus.inspect\n"
        "heavy = ('torch', 'datasets', 'pandas', 'rich')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    root = Path(hexapla.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
