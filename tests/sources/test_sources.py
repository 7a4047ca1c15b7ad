"""Sentences from texts: alike in every format, left out with a reason, sampled in any order."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.errors import InputError
from hexapla.sources import Sentence, SourceReport, read_sentences, source_facts
from hexapla.sources.config import SourceConfig
from tests.fixtures.text_files import compress_file, read_texts, write_file

TEXTS = ["The cat sat down. It purred loudly.", "A second document.", 'He said "no" and left.']
SENTENCES = [
    "The cat sat down.",
    "It purred loudly.",
    "A second document.",
    'He said "no" and left.',
]


def lines(path: Path) -> None:
    path.write_text("\n".join(TEXTS), encoding="utf-8")


def jsonl(path: Path) -> None:
    path.write_text(
        "".join(json.dumps({"id": 1, "body": text}) + "\n" for text in TEXTS), encoding="utf-8"
    )


def comma_separated(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "body"], *(["1", text] for text in TEXTS)])


def tsv(path: Path) -> None:
    path.write_text("id\tbody\n" + "".join(f"1\t{text}\n" for text in TEXTS), encoding="utf-8")


def parquet(path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2, 3], "body": pa.array(TEXTS, pa.large_string())}), path)


FORMATS: dict[str, tuple[Callable[[Path], None], list[int]]] = {
    ".txt": (lines, [1, 1, 2, 3]),
    ".jsonl": (jsonl, [1, 1, 2, 3]),
    ".csv": (comma_separated, [2, 2, 3, 4]),  # the header is line 1
    ".tsv": (tsv, [2, 2, 3, 4]),
    ".parquet": (parquet, [1, 1, 2, 3]),  # rows
}


def texts_of(*texts: Path | str, **settings: Any) -> list[str]:
    return [sentence.text for sentence in read_texts(*texts, **settings)]


# Every format


@pytest.mark.parametrize("compression", ["", ".gz", ".zst"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_sentences_with_their_places(
    tmp_path: Path, suffix: str, compression: str
) -> None:
    path = tmp_path / f"book{suffix}"
    write_format, numbers = FORMATS[suffix]
    write_format(path)
    if compression:
        path = compress_file(path, compression)
    field = None if suffix == ".txt" else "body"
    places = [f"book{suffix}{compression}:{number}" for number in numbers]
    assert read_texts(path, field=field) == [
        Sentence(*pair) for pair in zip(SENTENCES, places, strict=True)
    ]


def test_joined_gzip_members_are_one_file(tmp_path: Path) -> None:
    path = write_file(
        tmp_path / "x.txt.gz",
        gzip.compress(b"The first member.\n") + gzip.compress(b"The second member.\n"),
    )
    assert texts_of(path) == ["The first member.", "The second member."]


def test_a_folder_is_its_files_sorted_and_those_in_its_folders(tmp_path: Path) -> None:
    write_file(tmp_path / "b.txt", "From file b it is.")
    write_file(tmp_path / "a" / "z.TXT", "From file z it is.")
    write_file(tmp_path / "c.jsonl", '{"body": "From file c it is."}')
    write_file(tmp_path / "a" / "empty.txt", "")
    write_file(tmp_path / ".hidden" / "x.bin", "?")
    found = read_texts(tmp_path, field="body")
    assert found == [
        Sentence("From file z it is.", "a/z.TXT:1"),
        Sentence("From file b it is.", "b.txt:1"),
        Sentence("From file c it is.", "c.jsonl:1"),
    ]


def test_standard_input_is_lines_of_text(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = b"\xef\xbb\xbfThe first line.\n\nThe third line.\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped)))
    assert read_texts("-") == [
        Sentence("The first line.", "-:1"),
        Sentence("The third line.", "-:3"),
    ]
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(b"A good line.\nA b\xe4d line.\n"))
    )
    with pytest.raises(InputError, match=r"standard input:2: byte 4 of the line is not UTF-8"):
        read_texts("-")


def test_files_of_one_name_are_distinguished_and_a_repeated_file_is_all_duplicates(
    tmp_path: Path,
) -> None:
    one, two = (
        write_file(tmp_path / "1" / "x.txt", "From folder one."),
        write_file(tmp_path / "2" / "x.txt", "From folder two."),
    )
    assert [sentence.source for sentence in read_texts(one, two)] == [f"{one}:1", f"{two}:1"]
    report = SourceReport()
    twice = SourceConfig(texts=(str(one), str(one)))
    assert list(read_sentences(twice, report)) == [Sentence("From folder one.", "x.txt:1")]
    assert report.facts() == {"n_texts": 2, "n_sentences": 1, "left_out": {"duplicate": 1}}


# Splitting and cleaning


def test_a_blank_line_ends_a_sentence_and_a_line_break_does_not(tmp_path: Path) -> None:
    text = "The Title Line\n \nDr. Smith lives\nin the U.S. and works. Yes, he does!\r\n\r\nThe next part"
    path = write_file(tmp_path / "x.jsonl", json.dumps({"text": text}))
    expected = [
        "The Title Line",
        "Dr. Smith lives in the U.S. and works.",
        "Yes, he does!",
        "The next part",
    ]
    report = SourceReport()
    config = SourceConfig(texts=(str(path),), field="text")
    assert [sentence.text for sentence in read_sentences(config, report)] == expected
    assert report.facts() == {"n_texts": 1, "n_sentences": 4, "left_out": {}}
    assert texts_of(path, field="text", split_sentences=False) == [" ".join(expected)]


def test_sentences_are_split_by_the_rules_of_their_language(tmp_path: Path) -> None:
    chinese = write_file(tmp_path / "zh.txt", "你好世界。我来了。")
    assert texts_of(chinese, pivot="zh-Hans", min_characters=2) == ["你好世界。", "我来了。"]
    german = write_file(tmp_path / "de.txt", "Am 3. Oktober kam er an. Sie nicht.")
    assert texts_of(german, pivot="de", min_characters=2) == [
        "Am 3. Oktober kam er an.",
        "Sie nicht.",
    ]


def test_text_is_normalised_to_nfc_without_invisible_marks(tmp_path: Path) -> None:
    raw = "\ufeffCafe\u0301\u200b  is\u00a0\tope\x01n,\u2028no\u00adw\n\ufeffمی\u200cخواهم بروم\n"
    assert texts_of(write_file(tmp_path / "x.txt", raw)) == [
        "Café is open, now",
        "می\u200cخواهم بروم",
    ]


# What is left out


def test_what_is_left_out_is_counted_and_collected_with_its_reason(tmp_path: Path) -> None:
    rows = [
        "0123456789",
        "1234 5678 9012",
        "Short one",
        "Ten chars.",
        "x" * 20,
        "x" * 21,
        "Ten  chars.",
        "",
        None,
    ]
    path = write_file(tmp_path / "x.jsonl", "\n".join(json.dumps({"t": row}) for row in rows))
    collected: list[tuple[str, str, str]] = []
    report = SourceReport(collect=lambda reason, sentence: collected.append((reason, *sentence)))
    config = SourceConfig(texts=(str(path),), field="t", max_characters=20)
    assert [sentence.text for sentence in read_sentences(config, report)] == [
        "Ten chars.",
        "x" * 20,
    ]
    assert collected == [
        ("no letter", "0123456789", "x.jsonl:1"),
        ("no letter", "1234 5678 9012", "x.jsonl:2"),
        ("too short", "Short one", "x.jsonl:3"),
        ("too long", "x" * 21, "x.jsonl:6"),
        ("duplicate", "Ten chars.", "x.jsonl:7"),
        ("empty", "", "x.jsonl:8"),
        ("empty", "", "x.jsonl:9"),
    ]
    left_out = {"duplicate": 1, "empty": 2, "no letter": 2, "too long": 1, "too short": 1}
    assert report.facts() == {"n_texts": 9, "n_sentences": 2, "left_out": left_out}


def test_an_empty_cell_of_parquet_is_counted_and_a_cell_with_a_nul_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"t": ["A good text.", None, " "]}), path)
    report = SourceReport()
    assert len(list(read_sentences(SourceConfig(texts=(str(path),), field="t"), report))) == 1
    assert report.left_out == {"empty": 2}
    pq.write_table(pa.table({"t": ["A good text.", "A b\0d text."]}), path)
    with pytest.raises(InputError, match=r"x\.parquet: row 2 has a NUL character in t; remove it"):
        read_texts(path, field="t")


def test_a_limit_stops_reading_at_the_last_sentence_wanted(tmp_path: Path) -> None:
    path = write_file(
        tmp_path / "x.txt", b"The same line.\nThe same line.\nAnother line.\nN\xf6t UTF-8\n"
    )
    report = SourceReport()
    found = list(read_sentences(SourceConfig(texts=(str(path),), limit=2), report))
    assert [sentence.text for sentence in found] == ["The same line.", "Another line."]
    assert report.facts() == {"n_texts": 3, "n_sentences": 2, "left_out": {"duplicate": 1}}
    assert texts_of(path, limit=1) == ["The same line."]


# The sample


def numbered(n: int) -> list[str]:
    return [f"This is sentence number {number}." for number in range(n)]


def test_a_sample_is_the_same_whatever_the_order_and_comes_in_the_order_read(
    tmp_path: Path,
) -> None:
    forward = write_file(tmp_path / "x.txt", "\n".join(numbered(1000)))
    backward = write_file(tmp_path / "y.txt", "\n".join(numbered(1000)[::-1]))
    halves = [write_file(tmp_path / f"{n}.txt", "\n".join(numbered(1000)[n::2])) for n in (1, 0)]
    sample = texts_of(forward, sample=50)
    assert len(sample) == 50 and sample == sorted(sample, key=numbered(1000).index)
    assert texts_of(backward, sample=50) == sample[::-1]
    assert sorted(texts_of(*halves, sample=50)) == sorted(sample)
    assert len(set(sample) & set(texts_of(forward, sample=50, seed=1))) < 15  # 2.5 by chance


def test_a_sample_is_the_smallest_salted_hashes_of_distinct_sentences(tmp_path: Path) -> None:
    path = write_file(tmp_path / "x.txt", "\n".join(numbered(300) * 3))
    collected: set[str] = set()
    report = SourceReport(collect=lambda reason, _: collected.add(reason))
    found = list(read_sentences(SourceConfig(texts=(str(path),), sample=20, seed=7), report))

    def rank(text: str) -> bytes:
        row_id = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        salt = (7).to_bytes(16, "little")
        return hashlib.blake2b(row_id.encode(), digest_size=16, salt=salt).digest()

    expected = set(sorted(numbered(300), key=rank)[:20])
    assert [sentence.text for sentence in found] == [
        text for text in numbered(300) if text in expected
    ]
    assert [sentence.source for sentence in found] == [
        f"x.txt:{numbered(300).index(s.text) + 1}" for s in found
    ]
    assert report.n_texts == 900
    assert report.left_out["not sampled"] + report.left_out["duplicate"] == 880
    assert collected == {"duplicate"}


def test_a_sample_draws_every_sentence_equally_often(tmp_path: Path) -> None:
    path = write_file(tmp_path / "x.txt", "\n".join(numbered(20)))
    drawn = Counter(text for seed in range(400) for text in texts_of(path, sample=5, seed=seed))
    assert len(drawn) == 20 and sum(drawn.values()) == 2000
    expected, deviation = 100, (400 * 0.25 * 0.75) ** 0.5
    assert all(abs(n - expected) < 4.5 * deviation for n in drawn.values())


def test_a_sample_larger_than_the_text_is_all_of_it(tmp_path: Path) -> None:
    path = write_file(tmp_path / "x.txt", "\n".join(numbered(5) * 2))
    assert texts_of(path, sample=50) == numbered(5)


# Facts


def test_facts_identify_a_file_by_its_content(tmp_path: Path) -> None:
    write_file(tmp_path / "folder" / "a" / "x.txt", "Some text in here.")
    path = write_file(tmp_path / "y.jsonl", '{"t": "Some text in here."}')
    config = SourceConfig(texts=(str(tmp_path / "folder"), str(path), "-"), field="t")
    assert source_facts(config) == [
        {
            "name": "a/x.txt",
            "n_bytes": 18,
            "sha256": hashlib.sha256(b"Some text in here.").hexdigest(),
        },
        {"name": "y.jsonl", "n_bytes": 27, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        {"name": "-"},
    ]
