"""Measure what rows that resemble each other in one step are worth: hard negatives by the encoder.

Before every epoch the encoder encodes each row's pivot and one other cell of it. A row's step then
has the rows nearest to its pivot in it, but for those nearer than 0.95 times its own translation,
which may mean the same. The control is the order that `hexapla align` takes.

In: the folder `HEXAPLA_DATA` (see recipes/README.md): 500 rows of `stsb-mt/train` in seven
languages, three epochs.
Out: a line for each seed and order, measured on development data as in `benchmarks.teach`.

    HEXAPLA_DATA=DATA python -m recipes.hard_negatives [--seeds 0 1 2]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.align import DATA, SEVEN
from benchmarks.teach import measure
from hexapla import AlignConfig, align
from hexapla.alignment import stage, trainer_setup
from hexapla.alignment.batches import RowBatchSampler
from hexapla.alignment.prepare import Prepared
from hexapla.alignment.trainer import MultiwayTrainer
from hexapla.encoder.encode import encode
from hexapla.encoder.load import save_prompt

_N_ROWS = 500
_LARGEST_SHARE = 0.95  # of a row's cosine with its own translation, for a negative
_N_NEAREST = 7  # rows that a row brings into its step


class SimilarRows(RowBatchSampler):
    """Batches made of groups of similar rows, each row once an epoch."""

    model: Any = None
    prepared: Prepared | None = None

    def batches(self) -> Iterator[list[int]]:
        """Yield the batches of the epoch."""
        near = self._nearest()
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n_rows).tolist()
        left = dict.fromkeys(order)
        for size in self.sizes:
            batch: list[int] = []
            while len(batch) < size:
                row = next(iter(left))
                group = [row, *(other for other in near[row] if other in left)]
                for other in group[: min(1 + _N_NEAREST, size - len(batch))]:
                    del left[other]
                    batch.append(other)
            yield batch

    def _nearest(self) -> list[list[int]]:
        """Return the rows nearest to each, nearest first, without those that may mean the same."""
        assert self.prepared is not None
        rows, (pivot, *others) = self.prepared.rows, self.prepared.corpus.languages
        other = others[self.epoch % len(others)]
        training = self.model.training
        vectors_RD = encode(self.model, list(rows[pivot]), task="STS")
        others_RD = encode(self.model, list(rows[other]), task="STS")
        self.model.train(training)
        positive_R = (vectors_RD * others_RD).sum(axis=1)
        cosine_RR = vectors_RD @ vectors_RD.T
        cosine_RR[cosine_RR >= _LARGEST_SHARE * positive_R[:, None]] = -np.inf
        order_RR = np.argsort(-cosine_RR, axis=1)[:, : 4 * _N_NEAREST]
        return [
            [int(place) for place in order if cosine_RR[row, place] > -np.inf]
            for row, order in enumerate(order_RR)
        ]


def make_trainer(*args: Any, make: Any, **kwargs: Any) -> MultiwayTrainer:
    """Make the trainer of `align`, and give its sampler the encoder and the rows."""
    _, prepared, model, _, prompt = args
    trainer: MultiwayTrainer = make(*args, **kwargs)
    save_prompt(model, prompt)
    sampler = trainer._loader.batch_sampler
    sampler.model, sampler.prepared = model, prepared  # type: ignore[union-attr]
    return trainer


def main() -> None:
    """Train under both orders and print what each reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", default="small@4")
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    plain = trainer_setup.RowBatchSampler
    stage.make_trainer = partial(make_trainer, make=stage.make_trainer)  # type: ignore[assignment]
    for seed in arguments.seeds:
        for name, sampler in (("plain", plain), ("similar rows", SimilarRows)):
            trainer_setup.RowBatchSampler = sampler  # type: ignore[misc]
            started = time.monotonic()
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                table = pq.read_table(DATA / "stsb-mt" / "train.parquet")
                pq.write_table(table.slice(0, _N_ROWS), folder / "corpus.parquet")
                align(
                    AlignConfig(
                        corpus=str(folder / "corpus.parquet"),
                        encoder=arguments.encoder,
                        languages=SEVEN,
                        epochs=3,
                        temperature=0.05,
                        margin=0.0,
                        whiten="none",
                        preserve=0.0,
                        alpha=1.0,
                        cells_per_row=0,
                        learning_rate=arguments.rate,
                        seed=seed,
                        report_to="none",
                        out=folder / "encoder",
                    ),
                    quiet=True,
                )
                seconds = time.monotonic() - started
                print(
                    f"seed {seed}, {name}: {measure(str(folder / 'encoder'), folder)}; "
                    f"{seconds:.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
