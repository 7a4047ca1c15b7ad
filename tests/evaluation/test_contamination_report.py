"""The evaluation sentences of each task that a training corpus contains, and which corpus it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.encoder.locate import EncoderFacts, describe
from hexapla.errors import InputError
from hexapla.evaluation.contamination_report import (
    CONTAMINATION_FILE,
    corpus_overlap,
    read_overlap,
)
from hexapla.evaluation.known_corpus import find_corpus

LONG = "one two three four five six seven eight nine ten eleven"  # four 8-grams
ROWS = [
    {"eng_Latn": "Good morning.", "deu_Latn": "Guten Morgen."},
    {"eng_Latn": f"They counted: {LONG}; and went on.", "deu_Latn": "Sie zählten."},
    {"eng_Latn": "Nothing of note.", "deu_Latn": "Ein SATZ, der bleibt"},
]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    write_corpus(ROWS, tmp_path / "courses", languages=("eng_Latn", "deu_Latn"))
    return open_corpus(tmp_path / "courses")


def counts(found: dict[str, object]) -> dict[tuple[str, str], tuple[int, int]]:
    tasks = found["tasks"]
    assert isinstance(tasks, list)
    return {(one["task"], one["split"]): (one["n_found"], one["n_sentences"]) for one in tasks}


def test_distinct_sentences_are_counted_by_task_in_all_columns(corpus: Corpus) -> None:
    texts = {
        ("bitext/a", "test"): ["Good Morning", "good morning!", "Guten Morgen", "Not there", ""],
        ("sts/b", "dev"): ["GOOD MORNING", "ein Satz der bleibt", LONG],
        ("sts/b", "test"): ["Morning"],
        ("topics/c", "all"): [],
    }
    found = corpus_overlap(corpus, texts)
    assert counts(found) == {
        ("bitext/a", "test"): (2, 3),  # the first two are one sentence, and an empty text is none
        ("sts/b", "dev"): (3, 3),  # one of them is in the other task, too
        ("sts/b", "test"): (0, 1),
        ("topics/c", "all"): (0, 0),
    }
    assert found["tasks"][1]["examples"] == ["GOOD MORNING", "ein Satz der bleibt", LONG]
    assert (found["corpus"], found["corpus_sha256"], found["n_rows"]) == (
        "courses",
        corpus.sha256,
        3,
    )


def test_every_sentence_in_a_cell_is_found_and_three_are_shown(corpus: Corpus) -> None:
    cut = [" ".join(LONG.split()[start : start + 8]) for start in range(4)]
    (task,) = corpus_overlap(corpus, {("sts/b", "test"): [*cut, "one two three"]})["tasks"]
    assert (task["n_found"], task["n_sentences"], task["examples"]) == (4, 5, cut[:3])


def test_rows_held_out_of_training_are_not_searched(corpus: Corpus) -> None:
    kept, held_out = corpus.split(0.5)
    texts = {("bitext/courses", "held-out-0.5"): [str(cell) for cell in held_out.cells("eng_Latn")]}
    assert len(held_out) > 0
    assert counts(corpus_overlap(corpus, texts)) == {
        ("bitext/courses", "held-out-0.5"): (len(held_out),) * 2
    }
    found = corpus_overlap(kept, texts)
    assert counts(found) == {("bitext/courses", "held-out-0.5"): (0, len(held_out))}
    assert (found["corpus_sha256"], found["n_rows"]) == (kept.sha256, len(kept))


def encoder_of(
    corpus: Corpus, folder: Path, *, held_out: float = 0.0, source: str | None = None
) -> EncoderFacts:
    """Write the record of an alignment, and return what `describe` would."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    config = {
        "corpus": source or str(corpus.path),
        "languages": list(corpus.languages),
        "held_out": held_out,
    }
    (folder / "run.json").write_text(json.dumps({"command": "align", "config": config}))
    return EncoderFacts(
        name=folder.name,
        sha256="ab",
        regime="multiway",
        corpus=corpus.name,
        seed=0,
        languages=corpus.languages,
        training={"corpus_sha256": corpus.split(held_out)[0].sha256, "languages": ["eng_Latn"]},
    )


def test_the_corpus_is_that_of_the_encoders_record_without_held_out_rows(
    corpus: Corpus, tmp_path: Path
) -> None:
    facts = encoder_of(corpus, tmp_path / "encoder", held_out=0.5)
    found = find_corpus(tmp_path / "encoder", facts)
    assert found is not None and found.row_ids() == corpus.split(0.5)[0].row_ids()
    assert found.languages == corpus.languages


@pytest.mark.slow
def test_the_corpus_of_an_encoder_that_was_aligned_is_found(tmp_path: Path) -> None:
    out = tmp_path / "encoder"
    result = align(
        AlignConfig(
            corpus="sample",
            encoder="tiny",
            out=out,
            languages=("deu_Latn",),
            held_out=0.7,
            epochs=0.1,
            rows_per_step=16,
            report_to="none",
        ),
        quiet=True,
    )
    found = find_corpus(out, describe(out))
    assert (
        found is not None
        and len(found) == result["n_rows"]
        and found.sha256 == result["corpus_sha256"]
    )


def test_a_moved_corpus_can_be_given_and_a_changed_one_is_refused(
    corpus: Corpus, tmp_path: Path
) -> None:
    facts = encoder_of(corpus, tmp_path / "encoder", source=str(tmp_path / "gone"))
    assert find_corpus(tmp_path / "encoder", facts) is None
    given = find_corpus(tmp_path / "encoder", facts, str(corpus.path))
    assert given is not None and given.sha256 == corpus.sha256
    write_corpus(ROWS[:2], tmp_path / "gone", languages=("eng_Latn", "deu_Latn"))
    assert find_corpus(tmp_path / "encoder", facts) is None
    with pytest.raises(
        InputError,
        match=r"gone has the hash \w{8} with eng_Latn, deu_Latn, and .* aligned on courses",
    ):
        find_corpus(tmp_path / "encoder", facts, str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"there is no corpus at .*nowhere"):
        find_corpus(tmp_path / "encoder", facts, str(tmp_path / "nowhere"))


def test_an_encoder_that_was_not_aligned_has_no_corpus(corpus: Corpus) -> None:
    base = EncoderFacts(name="tiny", sha256="ab", regime=None, corpus=None, seed=None, languages=())
    assert find_corpus("tiny", base) is None
    with pytest.raises(InputError, match=r"tiny: was not aligned by hexapla.*leave --corpus out"):
        find_corpus("tiny", base, str(corpus.path))


def test_a_written_report_is_read_again_and_a_damaged_one_is_refused(
    corpus: Corpus, tmp_path: Path
) -> None:
    assert read_overlap(tmp_path) is None
    found = corpus_overlap(corpus, {("sts/b", "test"): ["Good morning.", "x"]})
    (tmp_path / CONTAMINATION_FILE).write_text(json.dumps(found))
    overlap = read_overlap(tmp_path)
    assert overlap is not None and overlap.corpus_sha256 == corpus.sha256
    assert overlap.tasks == (("sts/b", "test", 2, 1, ("Good morning.",)),)
    (tmp_path / CONTAMINATION_FILE).write_text('{"corpus": "courses", "tasks": [{}]}')
    with pytest.raises(
        InputError, match=r"contamination.json is damaged: it has no corpus_sha256; evaluate again"
    ):
        read_overlap(tmp_path)
