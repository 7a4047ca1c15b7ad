"""References: chrF of what a build keeps and rejects, against human translations of its sentences."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from hexapla.build import build, preview_build
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from tests.fixtures.builds import N_ROWS, toy_config, tree, write_text
from tests.fixtures.extras import needs
from tests.fixtures.toy import toy_rows
from tests.fixtures.toy_translator import ToyTranslator

pytestmark = needs("sacrebleu", "translate")
N_KNOWN = 40


def write_references(path: Path, *languages: str, end: str = ".") -> str:
    """Write the human translations of the first sentences, and of one that the build has not."""
    known = [
        {code: f"{row[code]}{end}" for code in languages} | {"eng_Latn": f"{row['eng_Latn']}."}
        for row in toy_rows(N_KNOWN)
    ]
    known.append(dict.fromkeys(languages, "other") | {"eng_Latn": "A sentence that is not there."})
    path.write_text("\n".join(json.dumps(row) for row in known) + "\n", encoding="utf-8")
    return str(path)


def test_the_manifest_the_card_and_the_log_have_chrf_with_its_signature(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import sacrebleu

    write_text(tmp_path)
    reference = write_references(tmp_path / "human.jsonl", "deu_Latn", "spa_Latn", end=" ende.")
    with caplog.at_level(logging.INFO, logger="hexapla"):
        build(toy_config(tmp_path, reference=reference), quiet=True)
    corpus = open_corpus(tmp_path / "corpus")
    scores = corpus.manifest["references"]
    assert list(scores["languages"]) == ["deu_Latn"]  # French has no reference, Spanish no column
    human = {f"{row['eng_Latn']}.": f"{row['deu_Latn']} ende." for row in toy_rows(N_KNOWN)}
    pairs = [
        (row["deu_Latn"], human[str(row["eng_Latn"])])
        for row in corpus.rows()
        if row["deu_Latn"] and row["eng_Latn"] in human
    ]
    lost = [
        (entry["cell"], human[entry["source"]])
        for line in (tmp_path / "corpus/rejected/deu_Latn.jsonl").read_text().splitlines()
        if (entry := json.loads(line))["replaced_by"] is None and entry["source"] in human
    ]
    assert lost and len(pairs) + len(lost) == N_KNOWN
    of = scores["languages"]["deu_Latn"]
    for found, n, expected in (
        (of["chrf"], of["n"], pairs),
        (of["chrf_rejected"], of["n_rejected"], lost),
    ):
        texts, known = zip(*expected, strict=True)
        assert n == len(expected)
        assert found == pytest.approx(sacrebleu.corpus_chrf(texts, [known]).score, abs=1e-4)
    assert 0 < of["chrf_rejected"] < 100 and 0 < of["chrf"] < 100
    assert scores["signature"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")
    card = (corpus.path / "README.md").read_text()
    assert f"| `deu_Latn` | {of['chrf']:.1f} | {of['n']} | {of['chrf_rejected']:.1f} |" in card
    for told in (card, caplog.text):
        assert "human.jsonl" in told and scores["signature"] in told
    assert f"deu_Latn {of['chrf']:.1f} (n {of['n']}; rejected cells" in caplog.text


def test_translations_equal_to_their_references_score_100(tmp_path: Path) -> None:
    write_text(tmp_path)
    config = toy_config(
        tmp_path,
        reference=write_references(tmp_path / "human.jsonl", "deu_Latn"),
        translator=ToyTranslator(bad=10**9),
    )
    build(config, quiet=True)
    (scores,) = open_corpus(tmp_path / "corpus").manifest["references"]["languages"].values()
    assert scores == {"chrf": 100.0, "n": N_KNOWN, "chrf_rejected": None, "n_rejected": 0}


def test_references_change_no_row_and_may_come_when_a_build_is_resumed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_text(tmp_path)
    build(toy_config(tmp_path, out=tmp_path / "plain"), quiet=True)
    assert "references" not in open_corpus(tmp_path / "plain").manifest
    with pytest.raises(InputError, match="max-loss"):
        build(toy_config(tmp_path, max_loss=0.0), quiet=True)
    reference = write_references(tmp_path / "human.jsonl", "deu_Latn")
    build(toy_config(tmp_path, resume=True, reference=reference), quiet=True)
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        done = toy_config(tmp_path, out=tmp_path / "plain", resume=True, reference=reference)
        build(done, quiet=True)
    assert "chrF is not computed, since it was built without reference" in caplog.text
    without, scored = (tree(tmp_path / name) for name in ("plain", "corpus"))
    differing = {name for name in without if without[name] != scored[name]}
    assert differing == {"corpus.json", "README.md"} and without.keys() == scored.keys()


def test_references_in_a_corpus_of_another_pivot_are_found_by_their_text(tmp_path: Path) -> None:
    write_text(tmp_path)
    rows = [
        {"eng_Latn": f"{row['eng_Latn']}.", "deu_Latn": f"{row['deu_Latn']}."}
        for row in toy_rows(N_KNOWN)
    ]
    human = tmp_path / "human"
    write_corpus(rows, human, languages=("deu_Latn", "eng_Latn"), pivot="deu_Latn")
    build(toy_config(tmp_path, reference=str(human), to=("deu_Latn",)), quiet=True)
    (scores,) = open_corpus(tmp_path / "corpus").manifest["references"]["languages"].values()
    assert scores["n"] + scores["n_rejected"] == N_KNOWN


def test_a_preview_takes_sentences_that_have_references_and_scores_them(tmp_path: Path) -> None:
    write_text(tmp_path)
    reference = write_references(tmp_path / "human.jsonl", "deu_Latn")
    config = toy_config(tmp_path, reference=reference, translator=ToyTranslator(bad=10**9))
    preview = preview_build(config, N_ROWS, quiet=True)
    assert preview.sentences == [f"{row['eng_Latn']}." for row in toy_rows(N_KNOWN)]
    assert preview.estimate.n_sentences == N_ROWS
    assert f"chrF2 against human.jsonl: deu_Latn 100.0 (n {N_KNOWN})" in preview.lines()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["human.jsonl", "text.txt"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"^there is no corpus|no such"),
        ("eng_Latn\tspa_Latn\nA\tB\n", r"has references in eng_Latn, spa_Latn, and none in deu_"),
        ("deu_Latn\tfra_Latn\nA\tB\n", r"has no column eng_Latn, by which rows are found"),
    ],
)
def test_references_that_cannot_serve_are_refused_before_anything_is_written(
    tmp_path: Path, content: str | None, told: str
) -> None:
    write_text(tmp_path)
    path = tmp_path / "human.tsv"
    if content is not None:
        path.write_text(content)
    before = tree(tmp_path)
    with pytest.raises(InputError, match=told):
        build(toy_config(tmp_path, reference=str(path)), quiet=True)
    assert tree(tmp_path) == before


def test_references_of_other_sentences_are_refused_before_translating(tmp_path: Path) -> None:
    class Untouched(ToyTranslator):
        def translate(self, *texts: Any, **more: Any) -> Any:
            raise AssertionError("a sentence was translated")

    write_text(tmp_path)
    (tmp_path / "human.tsv").write_text("eng_Latn\tdeu_Latn\nAnother sentence.\tEin Satz.\n")
    config = toy_config(tmp_path, reference=str(tmp_path / "human.tsv"), translator=Untouched())
    with pytest.raises(InputError, match=r"none of its 1 rows translates a sentence of this build"):
        build(config, quiet=True)


def test_a_build_never_replaces_its_references(tmp_path: Path) -> None:
    write_text(tmp_path)
    build(toy_config(tmp_path), quiet=True)
    config = toy_config(tmp_path, reference=str(tmp_path / "corpus"), overwrite=True)
    with pytest.raises(InputError, match=r"corpus: (holds|is) the input .*; give another"):
        build(config, quiet=True)


def test_without_sacrebleu_references_name_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path)
    monkeypatch.setattr("hexapla.build.references.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"needs the library sacrebleu; .* 'hexapla\[translate\]'"):
        build(toy_config(tmp_path, reference="human.tsv"), quiet=True)
