"""Measure the cost of `hexapla build`: backends, overhead, growth with size, and filters.

In: a translator of NLLB's architecture with random weights, made here, and sentences joined from
those of the packaged sample. Random weights never end a text before its limit, so sentences of the
same limit cost the same.
Out: ratios of medians. What is compared takes turns within one run, so that other load on the
machine slows all of it alike.

    python -m benchmarks.build [--only backends|overhead|sizes|filters] [--full-size]
"""

from __future__ import annotations

import argparse
import itertools
import logging
import multiprocessing
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ctranslate2

from benchmarks.kept import keep, peak_bytes, take_turns
from hexapla import open_corpus
from hexapla.build import BuildConfig, build
from hexapla.filters import Chain, FilterSettings, Statistics, read_filters
from hexapla.sources import SourceConfig
from hexapla.translate import TranslatorConfig, open_translator
from hexapla.translate.conversion import convert

TO = ("deu_Latn", "fra_Latn", "spa_Latn")
N_ROUNDS = 5


def sentences(n: int) -> list[str]:
    """Return distinct sentences of 40 to 120 characters."""
    cells = [str(cell) for cell in open_corpus("sample").cells("eng_Latn")]
    pairs = (_joined(a, b) for a, b in itertools.product(cells, cells) if a != b)
    return list(itertools.islice((pair for pair in pairs if 40 <= len(pair) <= 120), n))


def _joined(first: str, second: str) -> str:
    return f"{first} {second}"


def timed(work: Callable[[], Any]) -> float:
    """Return how many seconds a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median_seconds(
    cases: Mapping[str, Callable[[], Any]], n_rounds: int = N_ROUNDS
) -> dict[str, float]:
    """Return the median seconds of each case, timed in turns after one round of warm-up."""
    turns = take_turns({name: partial(timed, work) for name, work in cases.items()}, n_rounds)
    for name, taken in turns.items():
        keep(name, taken, "s")
    return {name: statistics.median(taken) for name, taken in turns.items()}


def row(what: str, *cells: str) -> None:
    """Print one line of the table."""
    print(f"{what:<58} {'  '.join(cells)}", flush=True)


def backends(folder: Path, texts: Sequence[str], cache: Path) -> None:
    """Compare CTranslate2 with transformers on the same sentences: speed, and equal output."""
    translators = {
        f"{backend} {kind}": open_translator(
            TranslatorConfig(
                translator=str(folder),
                backend=backend,
                compute_type=kind,
                cache=cache,
                batch_tokens=512,
            )
        )
        for backend, kind in (
            ("transformers", "float32"),
            ("ctranslate2", "float32"),
            ("ctranslate2", "int8"),
        )
    }
    targets = [TO[i % len(TO)] for i in range(len(texts))]
    written = {
        name: translator.translate(texts, targets) for name, translator in translators.items()
    }
    expected = [translation.text for translation in written["transformers float32"]]
    seconds = median_seconds(
        {
            name: partial(translator.translate, texts, targets)
            for name, translator in translators.items()
        },
        n_rounds=2,
    )
    for name, taken in seconds.items():
        equal = sum(
            translation.text == text
            for translation, text in zip(written[name], expected, strict=True)
        ) / len(texts)
        speed = seconds["transformers float32"] / taken
        row(
            f"{name}, beam 4",
            f"{len(texts) / taken:7.1f} sentences/s",
            f"{speed:5.1f}x",
            f"{equal:.1%} equal output",
        )
    for translator in translators.values():
        translator.close()


def overhead(folder: Path, texts: Sequence[str], cache: Path, away: Path) -> None:
    """Compare a whole build with a bare loop over `translate_batch`.

    The loop has the same batches, and its texts are tokenised beforehand.
    """
    # Below eight threads the translator runs one worker per thread, as the bare loop does.
    n_threads = min(len(os.sched_getaffinity(0)), 7)
    config = TranslatorConfig(
        translator=str(folder), cache=cache, compute_type="int8", threads=n_threads
    )
    translator = open_translator(config)
    translator.facts()  # loads the weights
    checkpoint = translator.checkpoint  # type: ignore[attr-defined]
    jobs: dict[int, list[list[str]]] = defaultdict(list)
    for ids in checkpoint.encode(texts, ""):
        # The limit of the output: "max_output_tokens" in the translator's facts.
        limit = next(limit for limit in (64, 128, 256, 512) if limit >= 3 * len(ids) + 32)
        jobs[limit].append([checkpoint.pieces[i] for i in ids])
    bare_translator = ctranslate2.Translator(
        str(convert(checkpoint, config.compute_type, cache)),
        compute_type=config.compute_type,
        inter_threads=n_threads,
        intra_threads=1,
    )

    def bare() -> None:
        for limit, pieces in jobs.items():
            bare_translator.translate_batch(
                [piece for _ in TO for piece in sorted(pieces, key=len)],
                target_prefix=[[code] for code in TO for _ in pieces],
                batch_type="tokens",
                max_batch_size=config.batch_tokens,
                beam_size=4,
                max_input_length=0,
                max_decoding_length=limit,
                disable_unk=True,
                return_scores=True,
            )

    text = away / "text.txt"
    text.write_text("\n".join(texts))
    fluent = _Fluent(translator, TO)

    def whole() -> None:
        build(
            BuildConfig(
                source=SourceConfig(texts=(str(text),), split_sentences=False),
                to=TO,
                translator=fluent,
                out=away / "corpus",
                max_loss=1.0,
                overwrite=(away / "corpus").exists(),
            ),
            quiet=True,
        )

    seconds = median_seconds({"bare loop": bare, "whole build": whole}, n_rounds=3)
    overhead_share = seconds["whole build"] / seconds["bare loop"] - 1
    row(
        f"build of {len(texts)} sentences into {len(TO)} languages",
        f"{seconds['whole build']:.2f} s",
        f"bare loop {seconds['bare loop']:.2f} s",
        f"{overhead_share:+.1%}",
    )


class _Fluent:
    """A translator of random weights whose output is replaced by correct translations.

    Filters reject the output of random weights, so that every text would be translated twice; of a
    real model's output they reject little.
    """

    def __init__(self, translator: Any, languages: Sequence[str]) -> None:
        self._translator = translator
        corpus = open_corpus("sample")
        english = [str(cell) for cell in corpus.cells("eng_Latn")]
        self._correct = {
            code: dict(zip(english, map(str, corpus.cells(code)), strict=True))
            for code in languages
        }
        self._parts = {
            _joined(a, b): (a, b) for a, b in itertools.product(english, english) if a != b
        }

    def __getattr__(self, name: str) -> Any:
        return getattr(self._translator, name)

    def translate(
        self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False
    ) -> Any:
        """Translate, and return the correct translations with the output's other fields."""
        written = self._translator.translate(texts, targets)
        parts = (self._parts[text] for text in texts)
        fluent = (
            _joined(self._correct[code][a], self._correct[code][b])
            for (a, b), code in zip(parts, targets, strict=True)
        )
        return [
            replace(one, text=text, problem=None) for one, text in zip(written, fluent, strict=True)
        ]

    def close(self) -> None:
        """Keep the weights for the next build."""


def _build(folder: str, n: int, away: str, answer: Any) -> None:
    """Build `n` sentences with greedy search; put seconds and peak MiB into the queue `answer`."""
    logging.disable()
    text = Path(away) / f"{n}.txt"
    text.write_text("\n".join(sentences(n)))
    translator = open_translator(TranslatorConfig(translator=folder, cache=Path(away), beam_size=1))
    translator.facts()
    config = BuildConfig(
        source=SourceConfig(texts=(str(text),), split_sentences=False),
        to=TO[:1],
        translator=_Fluent(translator, TO[:1]),
        out=Path(away) / f"corpus-{n}",
        max_loss=1.0,
    )
    seconds = timed(lambda: build(config, quiet=True))
    answer.put((seconds, peak_bytes() / 2**20))


def sizes(folder: Path, away: Path) -> None:
    """Measure time and memory with 1,024 to 16,384 sentences, in turns, each in a new process."""
    context = multiprocessing.get_context("spawn")
    measurements: dict[int, list[tuple[float, float]]] = {n: [] for n in (1024, 4096, 16384)}
    for number in range(2):
        for n, measured in measurements.items():
            answer = context.Queue()
            place = away / f"{n}-{number}"
            place.mkdir()
            process = context.Process(target=_build, args=(str(folder), n, str(place), answer))
            process.start()
            measured.append(answer.get())
            process.join()
    for n, measured in measurements.items():
        seconds, memory = (min(values) for values in zip(*measured, strict=True))
        row(
            f"build of {n} sentences",
            f"{seconds / n * 1000:.2f} ms a sentence",
            f"peak {memory:.0f} MiB",
        )


def filters() -> None:
    """Measure cells per second on one core, with and without language identification."""
    corpus = open_corpus("sample")
    targets = [code for code in corpus.languages if code != corpus.pivot]
    sources = [str(cell) for cell in corpus.cells(corpus.pivot)] * 10
    columns = {code: corpus.cells(code) * 10 for code in targets}

    def judge(settings: FilterSettings) -> None:
        corpus_statistics = Statistics()
        for code, cells in columns.items():
            corpus_statistics.add(code, sources, cells)
        chain = Chain(settings, corpus.pivot, corpus.languages, corpus_statistics)
        for code, cells in columns.items():
            chain.judge(code, sources, cells)

    with tempfile.TemporaryDirectory() as folder:
        without = Path(folder) / "filters.toml"
        without.write_text("language = false\n")
        fewer, default = read_filters(without), read_filters("default")
        cases = {
            "filters without language identification": lambda: judge(fewer),
            "filters with it, the default": lambda: judge(default),
        }
        n_cells = len(sources) * len(targets)
        for name, seconds in median_seconds(cases).items():
            row(f"{name}, {len(targets)} languages", f"{n_cells / seconds:,.0f} cells/s")


def _make_full_size(folder: str) -> None:
    from tests.fixtures.nmt import random_nmt

    random_nmt("nllb", Path(folder), d_model=1024, layers=12, heads=16, vocabulary=256_206)


def _load(folder: str, away: str, answer: Any) -> None:
    """Load a translator, converted if needed; put seconds and peak MiB into the queue `answer`."""
    translator = open_translator(TranslatorConfig(translator=folder, cache=Path(away)))
    seconds = timed(translator.facts)
    answer.put((seconds, peak_bytes() / 2**20))


def _translate(folder: str, away: str, answer: Any) -> None:
    """Translate 16 sentences; put output tokens per second and peak MiB into the queue `answer`."""
    translator = open_translator(
        TranslatorConfig(translator=folder, cache=Path(away), batch_tokens=256)
    )
    translator.facts()
    texts = sentences(16)
    started = time.perf_counter()
    translations = translator.translate(texts, ["deu_Latn"] * len(texts))
    seconds = time.perf_counter() - started
    n_tokens = sum(translation.n_tokens for translation in translations)
    answer.put((n_tokens / seconds, peak_bytes() / 2**20))


def full_size(away: Path) -> None:
    """Measure conversion, loading and translation in int8 at NLLB-200-distilled-600M's size.

    Each runs in a new process.
    """
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    folder = str(away / "600M")
    maker = context.Process(target=_make_full_size, args=(folder,))
    maker.start()
    maker.join()
    for step, work in (
        ("conversion to int8", _load),
        ("loading", _load),
        ("translation, beam 4", _translate),
    ):
        process = context.Process(target=work, args=(folder, str(away), answer))
        process.start()
        number, memory = answer.get()
        process.join()
        unit = "target tokens/s" if work is _translate else "s"
        row(
            f"NLLB-200-distilled-600M's shape: {step}",
            f"{number:.1f} {unit}",
            f"peak {memory:.0f} MiB",
        )


def main() -> None:
    """Measure what the flags choose."""
    from tests.fixtures.nmt import random_nmt

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--d-model", type=int, default=128, help="hidden size of the translator")
    parser.add_argument("--layers", type=int, default=2, help="layers of the translator")
    parser.add_argument("--sentences", type=int, default=96, help="sentences to translate")
    parser.add_argument(
        "--only",
        choices=("backends", "overhead", "sizes", "filters"),
        help="measure one part only",
    )
    parser.add_argument(
        "--full-size",
        action="store_true",
        help="measure a translator of NLLB-200-distilled-600M's size only; needs 5 GB of disk",
    )
    args = parser.parse_args()
    logging.disable()
    with tempfile.TemporaryDirectory() as temporary:
        away = Path(temporary)
        if args.full_size:
            full_size(away)
            return
        small = random_nmt(
            "nllb", away / "small", d_model=args.d_model, layers=args.layers, vocabulary=8000
        )
        tiny = random_nmt("nllb", away / "tiny", d_model=64, layers=1)
        texts = sentences(args.sentences)
        parts: dict[str, Callable[[], None]] = {
            "filters": filters,
            "backends": lambda: backends(small, texts, away),
            "overhead": lambda: overhead(small, sentences(2 * args.sentences), away, away),
            "sizes": lambda: sizes(tiny, away),
        }
        for name, measure in parts.items():
            if args.only in (None, name):
                measure()


if __name__ == "__main__":
    main()
