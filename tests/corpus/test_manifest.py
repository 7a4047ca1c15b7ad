"""A corpus folder without its manifest, or with one that cannot be, is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError

LANGUAGES = ("eng_Latn", "deu_Latn")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{code: f"{code} {i}" for code in LANGUAGES} for i in range(5)]
    return write_corpus(rows, tmp_path / "corpus", languages=LANGUAGES, rows_per_shard=2).path


def test_a_folder_without_its_manifest_is_refused(tmp_path: Path, folder: Path) -> None:
    (folder / "corpus.json").unlink()
    with pytest.raises(
        InputError, match=r"corpus is unfinished: it has shards but no corpus\.json"
    ):
        open_corpus(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty is no corpus folder: it has no corpus\.json"):
        open_corpus(tmp_path / "empty")
    with pytest.raises(InputError, match=r"there is no corpus at .*nowhere"):
        open_corpus(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "hexapla corpus 9"}, 'not of the format "hexapla corpus 1"'),
        ({"shards": None}, r"is damaged: shards is null; it must be a list"),
        (
            {"shards": [{"file": "part-00000.parquet"}]},
            r"is damaged: shards\[0\] has no n_bytes",
        ),
        (
            {"shards": [{"file": "../x", "sha256": "0" * 64, "n_bytes": 1, "n_rows": 5}]},
            r'shards\[0\].file is "../x"; it must be a file name without a folder',
        ),
        (
            {"languages": ["eng_Latn", "deu_Lath"]},
            r'languages\[1\] is "deu_Lath"; it must be a language .*; did you mean "deu_Latn"',
        ),
        (
            {"languages": ["eng_Latn"]},
            r"languages is \[.eng_Latn.\]; it must be a list of 2 or more",
        ),
        (
            {"pivot": "fra_Latn"},
            "pivot is fra_Latn; it must be one of its languages, eng_Latn, deu_Latn",
        ),
        (
            {"languages": ["eng_Latn", "fra_Latn"]},
            r"part-00000\.parquet has no column fra_Latn; it has row_id, eng",
        ),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    manifest = folder / "corpus.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))
    with pytest.raises(InputError, match=message):
        open_corpus(folder)


def test_a_manifest_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "corpus.json").write_bytes(b'{"languages": [')
    with pytest.raises(InputError, match=r"corpus\.json is damaged: it is not JSON"):
        open_corpus(folder)
