"""Measure what trimming multilingual-e5-small to seven languages saves, and what it changes.

In: the encoder `small` (`hexapla fetch-encoder small`), and of the folder `HEXAPLA_DATA` (by
default ../shared/data; see recipes/README.md) the corpora stsb-mt/train and courses/train, which
pieces are taken from; SIB-200's training set (sentences of FLORES), which settings are chosen on;
and SIB-200's test set, NTREX and Tatoeba, which are measured on, without texts that a corpus has.
Out: with `choose`, a line for each setting: pieces, weights, and the share of sentences whose
pieces are all kept. Without, sizes, seconds to load and memory of both encoders, and for each test
set the share of texts with the same vector, cosines of the others, and bitext accuracy before and
after. Some vectors that must be equal are compared bit by bit.

    python -m benchmarks.trim [choose] [--rows 1000] [--trimmed FOLDER]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from hexapla.corpus.reader import open_corpus
from hexapla.encoder.encode import encode
from hexapla.encoder.held_out import retrieval_accuracy
from hexapla.encoder.load import load_encoder, training_prompt
from hexapla.trim import TrimConfig, trim
from hexapla.trim.script_pieces import script_pieces
from hexapla.trim.tokenizer_content import make_tokenizer, read_tokenizer
from hexapla.trim.trim_card import size_rows
from hexapla.trim.used_pieces import corpus_pieces, listed_pieces
from hexapla.trim.vocabulary import Vocabulary

DATA = Path(os.environ.get("HEXAPLA_DATA", "../shared/data"))
ENCODER = "small"
LANGUAGES = (
    *("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn"),
    *("rus_Cyrl", "zho_Hans", "jpn_Jpan"),
)
CORPORA = (str(DATA / "stsb-mt/train.parquet"), str(DATA / "courses/train.parquet"))
WORDS = (0, 5_000, 10_000, 20_000, 30_000)
N_COMPARED = 20  # texts of each language of SIB-200 whose vectors are compared bit by bit
Columns = Mapping[str, Mapping[int, str]]
"""For each language, texts by row."""

# What a process has resident before and after it loads an encoder and encodes a sentence.
_LOAD = """
import resource, sys, time
import torch, sentence_transformers, transformers
from hexapla.encoder.load import load_encoder
size = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20
before, started = size(), time.perf_counter()
load_encoder(sys.argv[1]).encode("A sentence.")
print(f"{size() - before:.0f} {time.perf_counter() - started:.1f}")
"""


@cache
def corpus_texts() -> frozenset[str]:
    """Return all texts of the corpora in the seven languages."""
    tables = [pq.read_table(path, columns=list(LANGUAGES)) for path in CORPORA]
    return frozenset(
        text for table in tables for column in table.columns for text in column.to_pylist() if text
    )


def read(path: Path, n_rows: int | None = None) -> Columns:
    """Read the texts of a table in the seven languages, but for those that a corpus has."""
    table = pq.read_table(path).slice(0, n_rows)
    return {
        language: {
            row: text
            for row, text in enumerate(table.column(language).to_pylist())
            if text and text not in corpus_texts()
        }
        for language in LANGUAGES
        if language in table.column_names
    }


def test_sets(n_rows: int) -> Iterator[tuple[str, Columns]]:
    """Yield name and columns of each test set, English first."""
    yield "SIB-200", read(DATA / "sib200/test.parquet")
    for language in LANGUAGES[1:]:
        yield f"Tatoeba, {language}", read(DATA / f"tatoeba/{language}.parquet")
    yield "NTREX", read(DATA / "ntrex/test.parquet", n_rows)


def choose() -> None:
    """Print pieces, weights, and the share of development sentences with the same pieces."""
    model = load_encoder(ENCODER)
    vocabulary = Vocabulary(read_tokenizer(ENCODER, model))
    tokenizer, prompt = make_tokenizer(vocabulary.content), training_prompt(model)
    corpora = [
        open_corpus(path, languages=LANGUAGES, verify=False).split(0.02)[0] for path in CORPORA
    ]
    found = {
        "none": set(),
        "stsb": set(corpus_pieces(tokenizer, corpora[:1], prompt, quiet=True)),
        "courses": set(corpus_pieces(tokenizer, corpora[1:], prompt, quiet=True)),
    }
    found["both"] = found["stsb"] | found["courses"]
    always = script_pieces(vocabulary, LANGUAGES) | vocabulary.indispensable()
    texts = read(DATA / "sib200/train.parquet")
    pieces = {
        language: [set(tokenizer.encode(prompt + text).ids) for text in column.values()]
        for language, column in texts.items()
    }
    n_weights = sum(weight.numel() for weight in model.parameters())
    table = model[0].auto_model.get_input_embeddings().weight
    print(f"{'words':>6} {'corpora':>8} {'pieces':>7} {'weights':>8} {'same':>7}  by language")
    for n_words in WORDS:
        listed = listed_pieces(tokenizer, LANGUAGES if n_words else (), n_words, quiet=True)
        for name, some in found.items():
            kept = always | listed | some
            same = {
                language: np.mean([own <= kept for own in column])
                for language, column in pieces.items()
            }
            weights = (n_weights - table.numel() + len(kept) * table.shape[1]) / n_weights
            shares = " ".join(f"{language[:3]} {share:.0%}" for language, share in same.items())
            print(
                f"{n_words:>6} {name:>8} {len(kept):>7} {weights:>8.1%} "
                f"{np.mean(list(same.values())):>7.1%}  {shares}",
                flush=True,
            )


def judge(trimmed: Path, n_rows: int) -> None:
    """Print what the trimmed encoder changes on the test sets."""
    before, after = load_encoder(ENCODER), load_encoder(trimmed)
    print(f"{'test set':<20} {'texts':>6} {'same':>7} {'mean':>7} {'lowest':>7}  accuracy")
    for name, columns in test_sets(n_rows):
        old: dict[str, dict[int, np.ndarray]] = {}
        new: dict[str, dict[int, np.ndarray]] = {}
        n_same, cosines = 0, []
        for language, texts in columns.items():
            rows, cells = list(texts), list(texts.values())
            changed = [
                row
                for row, cell in texts.items()
                if before.tokenizer.tokenize(cell) != after.tokenizer.tokenize(cell)
            ]
            old[language] = dict(zip(rows, encode(before, cells, task="STS"), strict=True))
            others = encode(after, [texts[row] for row in changed], task="STS")
            new[language] = {**old[language], **dict(zip(changed, others, strict=True))}
            n_same += len(cells) - len(changed)
            cosines += [float(old[language][row] @ new[language][row]) for row in changed]
            if name == "SIB-200":
                same = [text for row, text in texts.items() if row not in set(changed)]
                check_bits(before, after, same[:N_COMPARED])
        n_texts = sum(map(len, columns.values()))
        found = [100 * retrieval_accuracy(list(side.values())) for side in (old, new)]
        print(
            f"{name:<20} {n_texts:>6} {n_same / n_texts:>7.1%} {np.mean(cosines):>7.4f} "
            f"{min(cosines, default=1.0):>7.4f}  {found[0]:.2f} -> {found[1]:.2f}",
            flush=True,
        )


def load(trimmed: Path) -> None:
    """Print what it takes to load both encoders, each in a new process."""
    for name in (ENCODER, str(trimmed)):
        command = [sys.executable, "-c", _LOAD, name]
        mib, seconds = subprocess.check_output(command, text=True).split()
        print(f"{name}: {mib} MiB resident after loading and a sentence, {seconds} s", flush=True)


def check_bits(before: object, after: object, texts: list[str]) -> None:
    """End with an error unless the vectors of texts, encoded one by one, are equal to the bit."""
    for text in texts:
        one, other = (model.encode(text, prompt="query: ") for model in (before, after))
        if one.tobytes() != other.tobytes():
            sys.exit(f"the vector of {text!r} has changed")


def main() -> None:
    """Choose, or trim and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", nargs="?", choices=["choose", "judge"], default="judge")
    parser.add_argument("--rows", type=int, default=1000, help="rows of NTREX")
    parser.add_argument("--trimmed", type=Path, help="an encoder that is trimmed already")
    args = parser.parse_args()
    if args.part == "choose":
        choose()
        return
    with tempfile.TemporaryDirectory() as folder:
        trimmed = args.trimmed or Path(folder) / "trimmed"
        if args.trimmed is None:
            config = TrimConfig(
                encoder=ENCODER, languages=LANGUAGES, corpus=CORPORA, held_out=0.0, out=trimmed
            )
            result = trim(config, quiet=True)
            for row in size_rows(result):
                print(f"{row[0]:<36} {row[1]:>14} {row[2]:>24}")
            print(f"trimmed in {result['seconds']:.0f} s", flush=True)
        judge(trimmed, args.rows)
        load(trimmed)


if __name__ == "__main__":
    main()
