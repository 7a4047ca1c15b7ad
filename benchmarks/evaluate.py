"""What `hexapla evaluate` costs, against MTEB's own evaluation and sentence-transformers' own encoding.

In: real rows (`HEXAPLA_DATA`, by default ../shared/data; see recipes/README.md), for `scoring`
random vectors.
Out: ratios, of alternating rounds in one run. `python -m benchmarks.evaluate [scoring encode run]
[--rounds N]`
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import mteb
import numpy as np
import pyarrow.parquet as pq
from mteb.models.model_meta import ModelMeta
from mteb.similarity_functions import cos_sim

from hexapla.encoder.load import load_encoder
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.mteb_check import no_progress_bars
from hexapla.evaluation.mteb_tasks import read_mteb
from hexapla.evaluation.retrieval import BitextRetriever
from hexapla.evaluation.stage import evaluate
from hexapla.evaluation.tasks.bitext import BitextTask
from hexapla.evaluation.vectors import Vectors
from recipes.mteb_folder import write_all

DATA = Path(os.environ.get("HEXAPLA_DATA", "../shared/data"))
N_LANGUAGES, N_ROWS, DIM = 26, 1004, 256
TASKS = ("Tatoeba", "NTREXBitextMining", "SIB200Classification", "STSBenchmarkMultilingualSTS")


def alternate(rounds: int, ways: Mapping[str, Callable[[], float]]) -> None:
    """Time all ways in turn, and print medians and each one's ratio to the first, round by round."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(way())
    first, *_ = seconds
    for name, taken in seconds.items():
        ratios = [one / other for one, other in zip(seconds[first], taken, strict=True)]
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})" if rounds > 1 else ""
        print(
            f"  {name:44s} {statistics.median(taken):8.2f} s   {statistics.median(ratios):6.2f} x {spread}"
        )


class Known:
    """For MTEB: looks the vectors of texts up, and knows how long it took over it."""

    def __init__(self, vectors: Mapping[str, np.ndarray]) -> None:
        self.vectors, self.seconds = vectors, 0.0
        self.mteb_model_meta = ModelMeta.create_empty({"name": "benchmark/known", "revision": "1"})

    def encode(self, inputs: Iterator[Mapping[str, list[str]]], **_: object) -> np.ndarray:
        """Return the vectors of the texts."""
        started = time.perf_counter()
        found = np.stack([self.vectors[text] for batch in inputs for text in batch["text"]])
        self.seconds += time.perf_counter() - started
        return found

    def similarity(self, one: np.ndarray, other: np.ndarray) -> Any:
        """Return the cosines of every two."""
        return cos_sim(one, other)

    similarity_pairwise = similarity


def scoring(rounds: int) -> None:
    """Score all ordered pairs of 26 languages of 1,004 rows: ours with margin and hubness, MTEB's F1 and accuracy."""
    generator = np.random.default_rng(0)
    task = mteb.get_task("FloresBitextMining")
    codes = sorted({code for pair in task.metadata.eval_langs for code in pair.split("-")})[
        :N_LANGUAGES
    ]
    meaning = generator.normal(size=(N_ROWS, DIM))
    vectors, cells = {}, {}
    for code in codes:
        rows = meaning + 1.6 * generator.normal(size=meaning.shape)
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        cells[code] = [f"{code} {row}" for row in range(N_ROWS)]
        vectors.update(zip(cells[code], rows, strict=True))
    pairs = [(one, other) for number, one in enumerate(codes) for other in codes[number + 1 :]]
    ours = BitextTask(
        name="x",
        split="test",
        data_sha="",
        items=[str(row) for row in range(N_ROWS)],
        cells=cells,
        rows=dict.fromkeys(pairs, range(N_ROWS)),
    )
    scores: dict[str, dict[str, float]] = {}

    def by_mteb() -> float:
        one = mteb.get_task(
            "FloresBitextMining", hf_subsets=[f"{a}-{b}" for a in codes for b in codes if a != b]
        )
        one.dataset, one.data_loaded = (
            datasets.DatasetDict(devtest=datasets.Dataset.from_dict(cells)),
            True,
        )
        encoder = Known(vectors)
        started = time.perf_counter()
        with no_progress_bars():
            found = one.evaluate(encoder, "devtest", encode_kwargs={"batch_size": 512})
        scores["mteb"] = {pair: values["f1"] for pair, values in found.items()}
        return time.perf_counter() - started - encoder.seconds

    def alone() -> float:
        started, search = time.perf_counter(), BitextRetriever(None)
        columns = {
            code: np.stack([vectors[text] for text in texts]) for code, texts in cells.items()
        }
        for one, other in pairs:
            for found in search(columns[one], columns[other]):
                found.f1.mean(), found.accuracy.mean()
        return time.perf_counter() - started

    def by_us() -> float:
        started = time.perf_counter()
        found = {
            measured.languages: measured.metrics["f1"]
            for measured in ours.measure(lambda texts: np.stack([vectors[text] for text in texts]))
        }
        scores["ours"] = found
        return time.perf_counter() - started

    print(
        f"scoring {2 * len(pairs)} ordered pairs of {N_LANGUAGES} languages, {N_ROWS} rows, {DIM} dimensions"
    )
    ways = {
        "hexapla, F1 and accuracy, as MTEB's": alone,
        "hexapla evaluate, with margin and hubness": by_us,
    }
    alternate(rounds, {"mteb's evaluator": by_mteb, **ways})
    apart = max(abs(scores["ours"][pair] - value) for pair, value in scores["mteb"].items())
    mean = statistics.mean(scores["ours"].values())
    print(f"  greatest difference of {len(scores['mteb'])} F1s: {apart:.1e} (mean {mean:.3f})")


def languages(n: int = N_LANGUAGES) -> list[str]:
    """Return languages that NTREX, SIB-200 and MTEB's tables of them share, English among them."""
    columns = pq.read_schema(DATA / "ntrex" / "test.parquet").names
    from hexapla.evaluation.mteb_table import task_subsets

    tables = [
        {code for subset in task_subsets()[name] for code in subset.languages} for name in TASKS[:3]
    ]
    tatoeba = {path.stem for path in (DATA / "tatoeba").glob("*.parquet")}
    found = [
        code
        for code in columns
        if all(code in one for one in tables) and code in {*tatoeba, "eng_Latn"}
    ]
    return found[:n]


def encode(rounds: int) -> None:
    """Encode 6,000 sentences of 26 languages."""
    model, chosen = load_encoder("tiny"), languages()
    table = pq.read_table(DATA / "ntrex" / "test.parquet").select(chosen)
    texts = [text for code in chosen for text in table.column(code).to_pylist()]
    texts = random.Random(0).sample(texts, 6000)

    def by_us() -> float:
        started = time.perf_counter()
        vectors = Vectors({"BitextMining": ""}, [("BitextMining", texts)])  # type: ignore[typeddict-item]
        vectors.embed(model, batch_size=64)
        vectors.of("BitextMining", texts)
        return time.perf_counter() - started

    def by_them(batch_size: int) -> Callable[[], float]:
        def way() -> float:
            started = time.perf_counter()
            model.encode(
                texts, batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False
            )
            return time.perf_counter() - started

        return way

    print(f"encoding {len(texts)} sentences of {len(chosen)} languages, the tiny encoder")
    ways = {
        "SentenceTransformer.encode, batches of 32": by_them(32),
        "SentenceTransformer.encode, of 256": by_them(256),
    }
    alternate(rounds, {**ways, "hexapla, of 64": by_us})


def run(rounds: int, n_languages: int = N_LANGUAGES) -> None:
    """Measure the tiny encoder on four tasks, from its folder to scores on disk."""
    chosen = languages(n_languages)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_all(DATA, root / "data")
        has = {name: [code for code in chosen if _has(name, code)] for name in TASKS}
        number = iter(range(1000))

        def by_us() -> float:
            started = time.perf_counter()
            evaluate(
                EvaluateConfig(
                    encoder="tiny",
                    suite=",".join(TASKS),
                    data=root / "data",
                    out=root / f"ours{next(number)}",
                    languages=tuple(chosen),
                    vectors=None,
                ),
                quiet=True,
            )
            return time.perf_counter() - started

        def by_mteb() -> float:
            started = time.perf_counter()
            encoder = mteb.SentenceTransformerEncoderWrapper(load_encoder("tiny"))
            encoder.mteb_model_meta = encoder.mteb_model_meta.model_copy(
                update={"name": "hexapla/tiny", "revision": "1"}
            )
            cache = mteb.ResultCache(root / f"theirs{next(number)}")
            for name in TASKS:
                (loaded,) = read_mteb([name], data=root / "data", languages=has[name])
                if (
                    name == "NTREXBitextMining"
                ):  # with English only, as we measure it, not 600 pairs
                    loaded.task.hf_subsets = [
                        pair for pair in loaded.task.hf_subsets if "eng_Latn" in pair
                    ]
                with no_progress_bars():
                    mteb.evaluate(
                        encoder,
                        loaded.task,
                        cache=cache,
                        overwrite_strategy="always",
                        show_progress_bar=False,
                        co2_tracker=False,
                        encode_kwargs={"batch_size": 32},
                    )
            return time.perf_counter() - started

        print(f"{', '.join(TASKS)} for {len(chosen)} languages, the tiny encoder, end to end")
        alternate(
            rounds,
            {"mteb.evaluate, batches of 32 (its default)": by_mteb, "hexapla evaluate": by_us},
        )


def _has(name: str, code: str) -> bool:
    from hexapla.evaluation.mteb_table import task_languages

    return code in task_languages([name])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts that are named, or all."""
    parts = {"scoring": scoring, "encode": encode, "run": run}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=list(parts))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--languages", type=int, default=N_LANGUAGES, help="of run")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    for name in given.parts:
        run(given.rounds, given.languages) if name == "run" else parts[name](given.rounds)


if __name__ == "__main__":
    main()
