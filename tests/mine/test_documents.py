"""Sentence alignment of documents finds insertions, omissions and merges, at the lowest cost."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest

from hexapla.cli.app import main
from hexapla.errors import InputError
from hexapla.mine import Link, align_documents, link_sentences
from hexapla.mine.cheapest_links import SIZES, FloatArray
from hexapla.mine.config import AlignDocumentsConfig
from tests.fixtures.toy import N_WORDS, word
from tests.mine.made_documents import blocks, shape, unit


def test_equal_documents_align_one_to_one_at_no_cost() -> None:
    found = link_sentences(blocks(unit(30, 0)), blocks(unit(30, 0)))
    assert shape(found) == [((n,), (n,)) for n in range(30)]
    assert max(link.cost for link in found) < 1e-5


def test_a_sentence_left_out_and_one_put_in_are_gaps() -> None:
    source = unit(12, 0)
    target = np.concatenate([source[:4], source[5:9], unit(1, 99), source[9:]])
    assert shape(link_sentences(blocks(source), blocks(target))) == [
        *(((n,), (n,)) for n in range(4)),
        ((4,), ()),
        *(((n,), (n - 1,)) for n in range(5, 9)),
        ((), (8,)),
        *(((n,), (n,)) for n in range(9, 12)),
    ]


def test_two_sentences_that_became_one_are_linked_to_it_on_either_side() -> None:
    source = unit(10, 3)
    merged = np.concatenate([source[:4], source[4:6].mean(axis=0, keepdims=True), source[6:]])
    expected = [
        *(((n,), (n,)) for n in range(4)),
        ((4, 5), (4,)),
        *(((n,), (n - 1,)) for n in range(6, 10)),
    ]
    assert shape(link_sentences(blocks(source), blocks(merged))) == expected
    assert shape(link_sentences(blocks(merged), blocks(source))) == [
        (there, here) for here, there in expected
    ]


@pytest.mark.parametrize("seed", range(6))
def test_the_links_are_the_cheapest_of_all_ways(seed: int) -> None:
    n_source, n_target = random.Random(seed).choice([(3, 4), (4, 3), (4, 4), (1, 3), (5, 2)])
    source, target = blocks(unit(n_source, seed)), blocks(unit(n_target, seed + 50))
    found = link_sentences(source, target, skip_cost=0.7)
    costs = {(link.source, link.target): link.cost for link in _every(source, target)}
    cheapest = min(
        sum(costs.get(step, 0.7) for step in way)
        for way in _ways(n_source, n_target)
        if all(step in costs or not (step[0] and step[1]) for step in way)
    )
    assert sum(link.cost for link in found) == pytest.approx(cheapest, abs=1e-5)
    assert [n for link in found for n in link.source] == list(range(n_source))
    assert [n for link in found for n in link.target] == list(range(n_target))


def _every(source: list[FloatArray], target: list[FloatArray]) -> list[Link]:
    """Return all links with their costs, computed from the definition one by one.

    The cost is 2 (1 - cosine) x number of sentences / sum of both mean distances. A mean distance
    is that to all sentences of the other side but the nearest, and to three at a distance of 1. Two
    sentences are linked to one only if they are nearer to it joined than either of them is alone.
    """
    links: list[Link] = []
    single: dict[tuple[int, int], float] = {}
    for m, n in SIZES:
        if len(source) < m or len(target) < n:
            continue
        for i, j in itertools.product(range(len(source[m - 1])), range(len(target[n - 1]))):
            x, y = source[m - 1][i], target[n - 1][j]
            mean = _mean(x, target[0]) + _mean(y, source[0])
            distance = float(2 * (1 - x @ y) / mean)
            single |= {(i, j): distance} if m == n == 1 else {}
            parts = [single[a, b] for a in range(i, i + m) for b in range(j, j + n)]
            if m == n == 1 or distance < min(parts):
                links.append(Link(tuple(range(i, i + m)), tuple(range(j, j + n)), distance * m * n))
    return links


def _mean(vector: np.ndarray, others: np.ndarray) -> float:
    farther = sorted(1 - float(vector @ other) for other in others)[1:]
    return float(np.mean([*farther, 1, 1, 1]))


def _ways(
    n_source: int, n_target: int, i: int = 0, j: int = 0
) -> list[list[tuple[tuple[int, ...], tuple[int, ...]]]]:
    if (i, j) == (n_source, n_target):
        return [[]]
    ways = []
    for m, n in (*SIZES, (1, 0), (0, 1)):
        if i + m <= n_source and j + n <= n_target:
            step = (tuple(range(i, i + m)), tuple(range(j, j + n)))
            ways += [[step, *rest] for rest in _ways(n_source, n_target, i + m, j + n)]
    return ways


def document(n_sentences: int, seed: int) -> list[list[int]]:
    draw = random.Random(seed)
    return [
        [draw.randrange(N_WORDS) for _ in range(draw.randint(4, 9))] for _ in range(n_sentences)
    ]


def write(path: Path, sentences: list[list[int]], language: str) -> Path:
    path.write_text("".join(" ".join(word(language, n) for n in one) + "\n" for one in sentences))
    return path


def test_documents_are_aligned_as_they_were_made(
    known: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    english = document(40, 1)
    german = [
        *english[:10],
        *english[11:20],
        english[20] + english[21],
        *english[22:30],
        document(1, 7)[0],
        *english[30:],
    ]
    source, target = (
        write(tmp_path / "a.txt", english, "eng_Latn"),
        write(tmp_path / "b.txt", german, "deu_Latn"),
    )
    source.write_text(
        source.read_text().replace("\n", "\n\n", 1)
    )  # an empty line: numbers are those of the file
    out = tmp_path / "links.tsv"
    assert (
        main(["align-documents", str(source), str(target), "--encoder", known, "--out", str(out)])
        == 0
    )
    assert (
        capsys.readouterr().out.strip()
        == f"{out}: 38 links, 1 of them with two sentences on a side; 2 gaps"
    )
    header, *rows = [line.split("\t") for line in out.read_text().splitlines()]
    assert header == ["source_lines", "target_lines", "cost", "source", "target"]
    assert [row[:2] for row in rows[:2]] == [["1", "1"], ["3", "2"]]
    assert [row[:2] for row in rows if not (row[0] and row[1])] == [["12", ""], ["", "29"]]
    assert [row[:2] for row in rows if "," in row[0]] == [["22,23", "20"]]
    assert all(row[3].replace("eng", "deu") == row[4] for row in rows if row[0] and row[1])


def test_what_cannot_be_aligned_is_refused_and_nothing_is_written(
    known: str, tmp_path: Path
) -> None:
    source = write(tmp_path / "a.txt", document(3, 0), "eng_Latn")
    (tmp_path / "empty.txt").write_text("\n \n")
    settings = {"source": source, "target": source, "encoder": known, "out": tmp_path / "out.tsv"}
    for change, message in (
        ({"target": tmp_path / "empty.txt"}, r"empty\.txt: no sentence in it"),
        ({"target": tmp_path / "none.txt"}, r"none\.txt: no such file"),
        ({"encoder": str(tmp_path / "none")}, "no such encoder folder"),
        ({"out": tmp_path / "no" / "out.tsv"}, "no such folder to write into"),
        ({"skip_cost": 0.0}, r"skip_cost is 0\.0; it must be a number above 0"),
    ):
        with pytest.raises(InputError, match=message):
            align_documents(AlignDocumentsConfig(**{**settings, **change}))  # type: ignore[arg-type]
    assert not (tmp_path / "out.tsv").exists()
    align_documents(AlignDocumentsConfig(**settings), quiet=True)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="exists already; --overwrite replaces it"):
        align_documents(AlignDocumentsConfig(**settings))  # type: ignore[arg-type]


def test_vectors_that_are_not_finite_are_refused() -> None:
    broken = blocks(unit(3, 0))
    broken[0][1, 0] = np.nan
    with pytest.raises(InputError, match="vectors that are not finite"):
        link_sentences(broken, blocks(unit(3, 0)))


def test_a_single_sentence_on_each_side_is_one_link() -> None:
    assert shape(link_sentences(blocks(unit(1, 0)), blocks(unit(1, 0)))) == [((0,), (0,))]
