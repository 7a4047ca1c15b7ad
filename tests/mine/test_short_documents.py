"""Documents of few or of equal sentences are linked as a reader would link them."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexapla.cli.app import main
from hexapla.encoder.encode import encode
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from hexapla.mine import align_documents, link_sentences
from hexapla.mine.config import AlignDocumentsConfig
from hexapla.mine.neutral_sentences import neutral_sentences
from tests.mine.made_documents import Shape, blocks, document, mirrored, shape, unit

LETTERS = st.text("abcdefgh", min_size=1, max_size=12)


def linked(source: str, target: str) -> Shape:
    return shape(link_sentences(document(source), document(target)))


def pairs(*numbers: tuple[int | None, int | None]) -> Shape:
    """Return links of one with one, and gaps where a number is None."""
    return [
        (() if here is None else (here,), () if there is None else (there,))
        for here, there in numbers
    ]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("a", "a", pairs((0, 0))),
        ("a", "b", pairs((0, None), (None, 0))),
        ("a", "ab", pairs((0, 0), (None, 1))),
        ("b", "ab", pairs((None, 0), (0, 1))),
        ("ab", "ab", pairs((0, 0), (1, 1))),
        ("ab", "cd", pairs((0, None), (1, None), (None, 0), (None, 1))),
        ("abc", "ac", pairs((0, 0), (1, None), (2, 1))),
        ("abc", "abc", pairs((0, 0), (1, 1), (2, 2))),
        ("aaa", "aaa", pairs((0, 0), (1, 1), (2, 2))),
        ("aaa", "aa", pairs((0, 0), (1, 1), (2, None))),
        ("aaa", "a", pairs((0, 0), (1, None), (2, None))),
        ("abab", "abab", pairs((0, 0), (1, 1), (2, 2), (3, 3))),
        ("abaca", "abca", pairs((0, 0), (1, 1), (2, None), (3, 2), (4, 3))),
        ("abbc", "abc", pairs((0, 0), (1, 1), (2, None), (3, 2))),
        ("axbxcxd", "axbxcxd", pairs(*((n, n) for n in range(7)))),
    ],
)
def test_short_and_uniform_documents_are_linked_as_a_reader_would(
    source: str, target: str, expected: Shape
) -> None:
    assert linked(source, target) == expected
    assert sorted(mirrored(linked(target, source))) == sorted(expected)


@pytest.mark.parametrize("n_sentences", [1, 2, 3])
def test_translations_are_linked_in_documents_of_any_length(n_sentences: int) -> None:
    source = unit(n_sentences, 1)
    target = source + 0.5 * unit(n_sentences, 2)  # a cosine of about 0.9
    target /= np.linalg.norm(target, axis=1, keepdims=True)
    found = link_sentences(blocks(source), blocks(target))
    assert shape(found) == pairs(*((n, n) for n in range(n_sentences)))


def test_neutral_sentences_tell_what_is_far_for_an_encoder_whose_cosines_are_all_high() -> None:
    vectors = unit(40, 0) + 3 * unit(1, 1)  # cosines of unrelated sentences are about 0.9
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    here, there, neutral = vectors[:1], vectors[1:2], vectors[2:].astype(np.float32)
    assert shape(link_sentences(blocks(here), blocks(there))) == pairs((0, 0))
    unlike = link_sentences(blocks(here), blocks(there), neutral=neutral)
    assert shape(unlike) == pairs((0, None), (None, 0))
    alike = link_sentences(blocks(here), blocks(here), neutral=neutral)
    assert shape(alike) == pairs((0, 0))


def test_unlike_sentences_cost_about_1_however_few_they_are() -> None:
    found = link_sentences(document("a"), document("b"), skip_cost=0.6)
    assert shape(found) == pairs((0, 0))
    assert found[0].cost == pytest.approx(1, abs=0.2)


def test_a_block_of_equal_lines_is_linked_by_position_within_a_document() -> None:
    assert linked("abxxxcd", "abxxcd") == pairs(
        (0, 0), (1, 1), (2, 2), (3, 3), (4, None), (5, 4), (6, 5)
    )
    assert linked("abxxcd", "abxxxcd") == pairs(
        (0, 0), (1, 1), (2, 2), (3, 3), (None, 4), (4, 5), (5, 6)
    )


def test_a_document_without_sentences_leaves_the_other_without_translation() -> None:
    empty = [np.zeros((0, 64), dtype=np.float32)]
    assert shape(link_sentences(empty, document("ab"))) == pairs((None, 0), (None, 1))
    assert shape(link_sentences(document("ab"), empty)) == pairs((0, None), (1, None))
    assert link_sentences(empty, empty) == []


@settings(derandomize=True, deadline=None, max_examples=200)
@given(LETTERS, LETTERS)
def test_every_sentence_is_in_one_link_or_gap_and_in_order(source: str, target: str) -> None:
    found = linked(source, target)
    assert [n for here, _ in found for n in here] == list(range(len(source)))
    assert [n for _, there in found for n in there] == list(range(len(target)))
    assert found == linked(source, target)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.text("abc", min_size=1, max_size=12))
def test_a_document_and_its_copy_are_linked_line_by_line(text: str) -> None:
    assert linked(text, text) == pairs(*((n, n) for n in range(len(text))))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 1000))
def test_exchanging_source_and_target_mirrors_the_links(
    n_source: int, n_target: int, seed: int
) -> None:
    # Nearby random vectors: no two alignments cost the same.
    source, target = (
        blocks(unit(n, seed + k, dim=6) + 0.5 * unit(8, seed, dim=6)[:n])
        for k, n in ((1, n_source), (2, n_target))
    )
    there = shape(link_sentences(source, target))
    assert sorted(there) == sorted(mirrored(shape(link_sentences(target, source))))


@settings(derandomize=True, deadline=None, max_examples=12)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30),
        min_size=1,
        max_size=12,
        unique=True,
    )
)
def test_the_tiny_encoder_links_a_document_to_its_copy(lines: list[str]) -> None:
    model = load_encoder("tiny")
    texts = [lines, [" ".join(two) for two in itertools.pairwise(lines)]]
    vectors = [encode(model, side, task="BitextMining") for side in texts if side]
    neutral = encode(model, neutral_sentences(), task="BitextMining")
    found = link_sentences(vectors, vectors, neutral=neutral)
    assert shape(found) == pairs(*((n, n) for n in range(len(lines))))


def test_neutral_sentences_are_of_every_language_of_the_sample_and_all_different() -> None:
    texts = neutral_sentences()
    assert len(texts) == len(set(texts)) == 30
    assert any("\u0900" <= letter <= "\u097f" for text in texts for letter in text)


def run(source: str, target: str, encoder: str, folder: Path, *flags: str) -> list[str]:
    """Align two documents, and return the lines of the output, split at line feeds only."""
    (folder / "a.txt").write_bytes(source.encode())
    (folder / "b.txt").write_bytes(target.encode())
    files = [str(folder / name) for name in ("a.txt", "b.txt")]
    out = folder / "links.tsv"
    assert main(["align-documents", *files, "--encoder", encoder, "--out", str(out), *flags]) == 0
    return out.read_bytes().decode().split("\n")[:-1]


def test_one_sentence_and_its_copy_are_linked_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = run("The bridge is closed.\n", "The bridge is closed.\n", "tiny", tmp_path)
    assert lines[1] == "1\t1\t0.00000\tThe bridge is closed.\tThe bridge is closed."
    assert "1 links" in capsys.readouterr().out


@pytest.mark.parametrize("mark", ["\t", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
def test_what_breaks_lines_or_cells_elsewhere_breaks_neither_the_tsv_nor_the_numbers(
    mark: str, tmp_path: Path, known: str
) -> None:
    source = f"eng01{mark}eng02\n{mark}\neng03 eng04\r\neng05{mark}{mark}eng06"
    target = "eng01 eng02\neng03 eng04\neng05 eng06\n"
    header, *rows = run(source, target, known, tmp_path)
    text = (tmp_path / "links.tsv").read_bytes().decode()
    assert text.splitlines() == [header, *rows]
    assert [row.split("\t")[:2] for row in rows] == [["1", "1"], ["3", "2"], ["4", "3"]]
    assert [row.split("\t")[3:] for row in rows] == [
        [line, line] for line in ("eng01 eng02", "eng03 eng04", "eng05 eng06")
    ]


def test_a_name_that_ends_in_parquet_makes_a_parquet_file(tmp_path: Path, known: str) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("eng01\u2028eng02\neng03\n")
    config = AlignDocumentsConfig(
        source=tmp_path / "a.txt",
        target=tmp_path / "b.txt",
        encoder=known,
        out=tmp_path / "links.parquet",
    )
    align_documents(config, quiet=True)
    rows = pq.read_table(tmp_path / "links.parquet").to_pylist()
    assert [(row["source_lines"], row["target_lines"]) for row in rows] == [("1", "1"), ("2", "2")]
    assert rows[0]["source"] == "eng01\u2028eng02"


def test_a_name_that_shows_no_format_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"links\.jsonl: must end in \.tsv or \.parquet"):
        AlignDocumentsConfig(
            source=tmp_path / "a.txt",
            target=tmp_path / "b.txt",
            encoder="tiny",
            out=tmp_path / "links.jsonl",
        )


def test_documents_of_which_nothing_is_linked_are_warned_of(
    tmp_path: Path, known: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        lines = run("eng01\n", "deu20\n", known, tmp_path, "--skip-cost", "0.01")
    assert len(lines) == 3
    assert "no sentence of" in caplog.text
    assert "check that they are translations" in caplog.text
