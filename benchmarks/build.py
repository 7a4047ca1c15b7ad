"""What `hexapla build` costs: CTranslate2 against transformers, the build against a bare loop, size, filters.

In: a translator of NLLB's architecture with random weights, made here (it writes as long as it may,
so every sentence costs the same), and sentences joined of the packaged sample's. Out: ratios of
medians; what is compared alternates in one run, so that a busy machine slows all alike. `python -m
benchmarks.build`
"""

from __future__ import annotations

import argparse
import itertools
import logging
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hexapla.build import build
from hexapla.build.config import BuildConfig
from hexapla.corpus.reader import open_corpus
from hexapla.filters import Chain, FilterSettings, Statistics, read_filters
from hexapla.sources.config import SourceConfig
from hexapla.translate.backends import open_translator
from hexapla.translate.config import TranslatorConfig

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
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def alternating(works: dict[str, Callable[[], Any]], n_rounds: int = N_ROUNDS) -> dict[str, float]:
    """Return the median seconds of each, measured in turns after one round that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(n_rounds + 1):
        for name, work in works.items():
            seconds = timed(work)
            if number:
                taken[name].append(seconds)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def peak_mib() -> float:
    """Return the peak of this process's resident memory; `getrusage` would begin with its parent's."""
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def row(what: str, *cells: str) -> None:
    """Print a line of the table."""
    print(f"{what:<58} {'  '.join(cells)}", flush=True)


def backends(folder: Path, texts: Sequence[str], cache: Path) -> None:
    """CTranslate2 against transformers on the same sentences, and whether they write the same."""
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
    expected = [found.text for found in written["transformers float32"]]
    works = {
        name: lambda t=translator: t.translate(texts, targets)
        for name, translator in translators.items()
    }
    seconds = alternating(works, 2)
    for name, taken in seconds.items():
        equal = sum(
            found.text == text for found, text in zip(written[name], expected, strict=True)
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
    """The whole build against a bare loop over `translate_batch`, on tokens made before, in the build's own batches."""
    config = TranslatorConfig(translator=str(folder), cache=cache)
    translator = open_translator(config)
    translator.facts()  # loads the weights
    checkpoint = translator.checkpoint  # type: ignore[attr-defined]
    tokens = [[checkpoint.pieces[i] for i in ids] for ids in checkpoint.encode(texts, "")]
    limits = [translator._limit(len(piece)) for piece in tokens]  # type: ignore[attr-defined]
    jobs = {
        limit: [t for t, own in zip(tokens, limits, strict=True) if own == limit]
        for limit in set(limits)
    }
    batch = translator._load().translate_batch  # type: ignore[attr-defined]

    def bare() -> None:
        for limit, pieces in jobs.items():
            mixed = [piece for _ in TO for piece in sorted(pieces, key=len)]
            batch(
                mixed,
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

    seconds = alternating({"bare loop": bare, "whole build": whole}, 3)
    share = seconds["whole build"] / seconds["bare loop"] - 1
    row(
        f"build of {len(texts)} sentences into {len(TO)} languages",
        f"{seconds['whole build']:.2f} s",
        f"bare loop {seconds['bare loop']:.2f} s",
        f"{share:+.1%}",
    )


class _Fluent:
    """A translator that takes its time to write nonsense and then says what is right, so that filters find it fit.

    Random weights fail every filter, and all would be translated twice; of a real model's output
    little is.
    """

    def __init__(self, translator: Any, languages: Sequence[str]) -> None:
        self._translator = translator
        corpus = open_corpus("sample")
        english = [str(cell) for cell in corpus.cells("eng_Latn")]
        self._right = {
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
        written = self._translator.translate(texts, targets)
        parts = (self._parts[text] for text in texts)
        fluent = (
            _joined(self._right[code][a], self._right[code][b])
            for (a, b), code in zip(parts, targets, strict=True)
        )
        return [
            replace(one, text=text, problem=None) for one, text in zip(written, fluent, strict=True)
        ]

    def close(self) -> None:
        pass


def _build_of(folder: str, n: int, away: str, answer: Any) -> None:
    """Build `n` sentences greedily; answer with the seconds of it and the peak of resident memory in MiB."""
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
    answer.put((seconds, peak_mib()))


def sizes(folder: Path, away: Path) -> None:
    """Time and memory from 1,024 to 16,384 sentences, each size in a process of its own, the sizes in turns."""
    context = multiprocessing.get_context("spawn")
    found: dict[int, list[tuple[float, float]]] = {n: [] for n in (1024, 4096, 16384)}
    for number in range(2):
        for n, measured in found.items():
            answer = context.Queue()
            place = away / f"{n}-{number}"
            place.mkdir()
            process = context.Process(target=_build_of, args=(str(folder), n, str(place), answer))
            process.start()
            measured.append(answer.get())
            process.join()
    for n, measured in found.items():
        seconds, memory = (min(values) for values in zip(*measured, strict=True))
        row(
            f"build of {n} sentences",
            f"{seconds / n * 1000:.2f} ms a sentence",
            f"peak {memory:.0f} MiB",
        )


def filters() -> None:
    """Cells a second on one core: the statistics and the verdicts, with and without the identity of languages."""
    corpus = open_corpus("sample")
    targets = [code for code in corpus.languages if code != corpus.pivot]
    sources = [str(cell) for cell in corpus.cells(corpus.pivot)] * 10
    columns = {code: corpus.cells(code) * 10 for code in targets}

    def judge(settings: FilterSettings) -> None:
        found = Statistics()
        for code, cells in columns.items():
            found.add(code, sources, cells)
        chain = Chain(settings, corpus.pivot, corpus.languages, found)
        for code, cells in columns.items():
            chain.judge(code, sources, cells)

    with tempfile.TemporaryDirectory() as folder:
        without = Path(folder) / "filters.toml"
        without.write_text("language = false\n")
        fewer, default = read_filters(without), read_filters("default")
        works = {
            "filters without language identity": lambda: judge(fewer),
            "filters with it, the default": lambda: judge(default),
        }
        n_cells = len(sources) * len(targets)
        for name, seconds in alternating(works).items():
            row(f"{name}, {len(targets)} languages", f"{n_cells / seconds:,.0f} cells/s")


def _make_full_size(folder: str) -> None:
    from tests.fixtures.nmt import random_nmt

    random_nmt("nllb", Path(folder), d_model=1024, layers=12, heads=16, vocabulary=256_206)


def _load(folder: str, away: str, answer: Any) -> None:
    """Load, after converting if need be; answer with the seconds and the peak of resident memory in MiB."""
    translator = open_translator(TranslatorConfig(translator=folder, cache=Path(away)))
    seconds = timed(translator.facts)
    answer.put((seconds, peak_mib()))


def _translate(folder: str, away: str, answer: Any) -> None:
    """Translate 16 sentences; answer with the tokens written a second and the peak of resident memory in MiB."""
    translator = open_translator(
        TranslatorConfig(translator=folder, cache=Path(away), batch_tokens=256)
    )
    translator.facts()
    texts = sentences(16)
    started = time.perf_counter()
    found = translator.translate(texts, ["deu_Latn"] * len(texts))
    seconds = time.perf_counter() - started
    answer.put((sum(one.n_tokens for one in found) / seconds, peak_mib()))


def full_size(away: Path) -> None:
    """What conversion and translation take at the size of NLLB-200-distilled-600M, int8, each in its own process."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    folder = str(away / "600M")
    makes = context.Process(target=_make_full_size, args=(folder,))
    makes.start()
    makes.join()
    what = "NLLB-200-distilled-600M's shape:"
    for done, work in (
        ("conversion to int8", _load),
        ("loading", _load),
        ("translation, beam 4", _translate),
    ):
        process = context.Process(target=work, args=(folder, str(away), answer))
        process.start()
        number, memory = answer.get()
        process.join()
        unit = "target tokens/s" if work is _translate else "s"
        row(f"{what} {done}", f"{number:.1f} {unit}", f"peak {memory:.0f} MiB")


def main() -> None:
    """Measure and print."""
    from tests.fixtures.nmt import random_nmt

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--d-model", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--sentences", type=int, default=96)
    parser.add_argument(
        "--only", choices=("backends", "overhead", "sizes", "filters"), help="measure one of them"
    )
    parser.add_argument(
        "--full-size",
        action="store_true",
        help="only NLLB-200-distilled-600M's shape; 5 GB of disk",
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
