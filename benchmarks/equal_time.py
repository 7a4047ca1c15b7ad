"""Compare `hexapla align` with sentence-transformers' trainers at equal time, on the same rows.

Ours trains for one epoch, and what it takes, from the texts to the saved encoder, is the time that
theirs have. Theirs are English-X pairs with `MultipleNegativesRankingLoss` and the trainer of
`make_multilingual.py` with `MSELoss`, with a dataset for each language. Their steps are timed in a
short training first, which is not counted, so that their learning rate falls to its end within the
time; nor are loading and the teacher's vectors. All are in float32.

In: the folder `HEXAPLA_DATA` (by default ../shared/data; see recipes/README.md).
Out: a line for each and each learning rate, measured on development data as in `benchmarks.teach`.

    python -m benchmarks.equal_time [--student small@4] [--rows 500] [--rates 2e-4 5e-4]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import datasets
from sentence_transformers.sentence_transformer.losses import MSELoss, MultipleNegativesRankingLoss

from benchmarks.align import SEVEN, Rows, real_rows
from benchmarks.teach import make, measure, taught_pairs, train_theirs
from hexapla import AlignConfig, align, write_corpus
from hexapla.encoder.load import load_encoder

_BATCH = 64  # pairs, as many as ours has rows in a step
_TIMED_STEPS = 6


def ours(rows: Rows, student: str, folder: Path, rate: float) -> float:
    """Align for one epoch, whitened and with the pivot kept firmly, and return seconds."""
    write_corpus(rows, folder / "corpus", languages=SEVEN)
    started = time.monotonic()
    align(
        AlignConfig(
            corpus=str(folder / "corpus"),
            encoder=student,
            out=folder / "encoder",
            learning_rate=rate,
            whiten="start",
            preserve=10.0,
            alpha=1.0,
            epochs=1.0,
            precision="fp32",
            held_out=0.0,
            report_to="none",
        ),
        quiet=True,
    )
    return time.monotonic() - started


def theirs(
    sets: datasets.DatasetDict, loss: type, student: str, folder: Path, rate: float, seconds: float
) -> int:
    """Train for as many seconds, and return the number of steps."""
    model = load_encoder(student)
    started = time.monotonic()
    train_theirs(model, sets, loss(model), folder, steps=_TIMED_STEPS, batch=_BATCH, rate=0.0)
    a_step = (time.monotonic() - started) / _TIMED_STEPS
    steps = max(1, round(seconds / a_step))
    train_theirs(model, sets, loss(model), folder, steps=steps, batch=_BATCH, rate=rate)
    model.save(str(folder / "encoder"))
    return steps


def main() -> None:
    """Train each and print what it reached and took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--student", default="small@4")
    parser.add_argument("--teacher", default="small")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--rates", type=float, nargs="+", default=[2e-4, 5e-4])
    given = parser.parse_args()
    rows = real_rows(given.rows, "stsb-mt", SEVEN)
    taught = taught_pairs(rows, given.teacher)
    pairs = datasets.DatasetDict(
        {language: one.remove_columns("label") for language, one in taught.items()}
    )
    with tempfile.TemporaryDirectory() as temporary:
        for rate in given.rates:
            folder = make(temporary, f"ours-{rate}")
            seconds = ours(rows, given.student, folder, rate)
            reached = measure(str(folder / "encoder"), folder)
            print(f"ours, {rate}: {reached}; {seconds:.0f} s", flush=True)
            for loss, sets in ((MultipleNegativesRankingLoss, pairs), (MSELoss, taught)):
                folder = make(temporary, f"{loss.__name__}-{rate}")
                started = time.monotonic()
                steps = theirs(sets, loss, given.student, folder, rate, seconds)
                took = time.monotonic() - started
                reached = measure(str(folder / "encoder"), folder)
                print(
                    f"{loss.__name__}, {rate}: {reached}; {steps} steps, {took:.0f} s with the "
                    "timing",
                    flush=True,
                )


if __name__ == "__main__":
    main()
