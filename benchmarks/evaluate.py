"""Compare the cost of `hexapla evaluate` with MTEB's evaluator.

In: real rows from the folder `HEXAPLA_DATA` (by default ../shared/data; see recipes/README.md);
random vectors for `scoring`.
Out: ratios. What is compared takes turns within one run.

    python -m benchmarks.evaluate [scoring run] [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import mteb
import numpy as np
import pyarrow.parquet as pq
from mteb.models.model_meta import ModelMeta
from mteb.similarity_functions import cos_sim

from benchmarks.kept import keep
from hexapla import EvaluateConfig, evaluate
from hexapla.encoder.load import load_encoder
from hexapla.evaluation.mteb_check import no_progress_bars
from hexapla.evaluation.mteb_table import task_languages, task_subsets
from hexapla.evaluation.mteb_tasks import read_mteb
from hexapla.evaluation.retrieval import BitextRetriever
from hexapla.evaluation.tasks.bitext import BitextTask
from recipes.mteb_folder import write_all

DATA = Path(os.environ.get("HEXAPLA_DATA", "../shared/data"))
N_LANGUAGES, N_ROWS, DIM = 26, 1004, 256
TASKS = ("Tatoeba", "NTREXBitextMining", "SIB200Classification", "STSBenchmarkMultilingualSTS")


def take_turns(rounds: int, cases: Mapping[str, Callable[[], float]]) -> None:
    """Time the cases in turns; print the median of each, and its speed-up over the first."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            seconds[name].append(case())
    first, *_ = seconds
    for name, taken in seconds.items():
        ratios = [one / other for one, other in zip(seconds[first], taken, strict=True)]
        if name != first:
            keep(f"{name} over {first}", ratios, "x")
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})" if rounds > 1 else ""
        median, ratio = statistics.median(taken), statistics.median(ratios)
        print(f"  {name:44s} {median:8.2f} s   {ratio:6.2f} x {spread}")


class LookUpEncoder:
    """An encoder for MTEB that looks up the vectors of texts, and times the look-ups."""

    def __init__(self, vectors: Mapping[str, np.ndarray]) -> None:
        self.vectors, self.seconds = vectors, 0.0
        self.mteb_model_meta = ModelMeta.create_empty(
            {"name": "benchmark/look-up", "revision": "1"}
        )

    def encode(self, inputs: Iterator[Mapping[str, list[str]]], **_: object) -> np.ndarray:
        """Return the vectors of the texts."""
        started = time.perf_counter()
        vectors = np.stack([self.vectors[text] for batch in inputs for text in batch["text"]])
        self.seconds += time.perf_counter() - started
        return vectors

    def similarity(self, one: np.ndarray, other: np.ndarray) -> Any:
        """Return the cosines of all pairs."""
        return cos_sim(one, other)

    similarity_pairwise = similarity


def scoring(rounds: int) -> None:
    """Score all ordered pairs of 26 languages with 1,004 rows each.

    MTEB computes F1 and accuracy; ours is timed with these alone, and with margin and hubness.
    """
    generator = np.random.default_rng(0)
    task = mteb.get_task("FloresBitextMining")
    codes = sorted({code for pair in task.metadata.eval_langs for code in pair.split("-")})[
        :N_LANGUAGES
    ]
    meaning = generator.normal(size=(N_ROWS, DIM))
    vectors: dict[str, np.ndarray] = {}
    cells: dict[str, list[str]] = {}
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
        flores = mteb.get_task(
            "FloresBitextMining", hf_subsets=[f"{a}-{b}" for a in codes for b in codes if a != b]
        )
        flores.dataset = datasets.DatasetDict(devtest=datasets.Dataset.from_dict(cells))
        flores.data_loaded = True
        encoder = LookUpEncoder(vectors)
        started = time.perf_counter()
        with no_progress_bars():
            result = flores.evaluate(encoder, "devtest", encode_kwargs={"batch_size": 512})
        scores["mteb"] = {pair: values["f1"] for pair, values in result.items()}
        return time.perf_counter() - started - encoder.seconds

    def without_margin() -> float:
        started, retriever = time.perf_counter(), BitextRetriever(None)
        columns = {
            code: np.stack([vectors[text] for text in texts]) for code, texts in cells.items()
        }
        for one, other in pairs:
            for retrieval in retriever(columns[one], columns[other]):
                retrieval.f1.mean(), retrieval.accuracy.mean()
        return time.perf_counter() - started

    def by_us() -> float:
        started = time.perf_counter()
        measurements = ours.measure(lambda texts: np.stack([vectors[text] for text in texts]))
        scores["ours"] = {one.languages: one.metrics["f1"] for one in measurements}
        return time.perf_counter() - started

    print(
        f"scoring {2 * len(pairs)} ordered pairs of {N_LANGUAGES} languages, {N_ROWS} rows, "
        f"{DIM} dimensions"
    )
    cases = {
        "MTEB's evaluator": by_mteb,
        "hexapla, F1 and accuracy, as MTEB": without_margin,
        "hexapla evaluate, with margin and hubness": by_us,
    }
    take_turns(rounds, cases)
    difference = max(abs(scores["ours"][pair] - value) for pair, value in scores["mteb"].items())
    mean = statistics.mean(scores["ours"].values())
    print(f"  maximum difference of {len(scores['mteb'])} F1s: {difference:.1e} (mean {mean:.3f})")


def languages(n: int = N_LANGUAGES) -> list[str]:
    """Return languages that all tasks but STS have, here and in MTEB, English among them."""
    columns = pq.read_schema(DATA / "ntrex" / "test.parquet").names
    tables = [
        {code for subset in task_subsets()[name] for code in subset.languages} for name in TASKS[:3]
    ]
    tatoeba = {path.stem for path in (DATA / "tatoeba").glob("*.parquet")}
    shared = [
        code
        for code in columns
        if all(code in one for one in tables) and code in {*tatoeba, "eng_Latn"}
    ]
    return shared[:n]


def run(rounds: int, n_languages: int = N_LANGUAGES) -> None:
    """Evaluate the tiny encoder on four tasks, from its folder to scores on disk."""
    chosen = languages(n_languages)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_all(DATA, root / "data")
        of_task = {
            name: [code for code in chosen if code in task_languages([name])] for name in TASKS
        }
        number = iter(range(1000))

        def by_us() -> float:
            started = time.perf_counter()
            evaluate(
                EvaluateConfig(
                    encoder="tiny",
                    suite=",".join(TASKS),
                    data=str(root / "data"),
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
                (loaded,) = read_mteb([name], data=root / "data", languages=of_task[name])
                if name == "NTREXBitextMining":
                    # Pairs with English only, as ours measures, and not all 600.
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
        take_turns(
            rounds,
            {"mteb.evaluate, batches of 32 (its default)": by_mteb, "hexapla evaluate": by_us},
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the parts that are named, or all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "parts",
        nargs="*",
        choices=("scoring", "run", "all"),
        default="all",
        help="parts to measure",
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each comparison")
    parser.add_argument(
        "--languages", type=int, default=N_LANGUAGES, help="number of languages in the part run"
    )
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    parts: dict[str, Callable[[], None]] = {
        "scoring": partial(scoring, given.rounds),
        "run": partial(run, given.rounds, given.languages),
    }
    for name in parts if "all" in given.parts else given.parts:
        parts[name]()


if __name__ == "__main__":
    main()
