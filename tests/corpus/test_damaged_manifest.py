"""Whatever stands in `corpus.json`, a corpus is read rightly or refused when it is opened."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from hexapla.corpus.inspect import inspect_corpus
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from tests.fixtures.damaged_values import JSON_VALUES, as_json, replaced

LANGUAGES = ("eng_Latn", "deu_Latn")


@pytest.mark.parametrize(
    "stride", [pytest.param(5, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.fuzz)]
)
def test_a_manifest_with_any_value_anywhere_is_read_or_refused(tmp_path: Path, stride: int) -> None:
    rows = [{code: f"{code} {i}" for code in LANGUAGES} | {"meta.n": str(i)} for i in range(3)]
    folder = write_corpus(
        rows,
        tmp_path / "corpus",
        languages=LANGUAGES,
        columns={"deu_Latn": {"translator": "x"}},
        license="mit",
        finish=lambda _: {
            "filters": [{"against": [{"name": "a/b", "n_sentences": 1}], "rows": {"in a/b": 1}}]
        },
    ).path
    manifest = json.loads((folder / "corpus.json").read_text())
    n_refused = 0
    for place, value, changed in replaced(manifest, JSON_VALUES, stride):
        (folder / "corpus.json").write_text(as_json(changed))
        try:
            corpus = open_corpus(folder)
        except InputError as error:
            n_refused += 1
            assert "\n" not in str(error), (place, value)
            continue
        # What was opened can be read, shown and written to the end.
        assert [row["eng_Latn"] for row in corpus.rows()] == [row["eng_Latn"] for row in rows]
        inspect_corpus(corpus).render(Console(file=io.StringIO()))
        made, filters = corpus.manifest.get("columns", {}), corpus.manifest.get("filters", [])
        write_corpus(
            corpus.rows(),
            tmp_path / "copy",
            languages=corpus.languages,
            pivot=corpus.pivot,
            columns={code: made[code] for code in corpus.languages if code in made},
            license=corpus.manifest.get("license"),
            finish=lambda _, kept=filters: {"filters": kept},
            overwrite=True,
        )
    assert n_refused > 100 / stride
