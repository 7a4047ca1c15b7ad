"""Compare the cost of `hexapla align` with sentence-transformers' trainer and with bare loops.

In: real rows from the folder `HEXAPLA_DATA` (by default ../shared/data; see recipes/README.md), or
the packaged sample where there is no such folder.
Out: ratios. What is compared takes turns within one run, so that other load on the machine slows
all of it alike. Peak memory is measured in a separate process for each case.

    python -m benchmarks.align [rows sentences peak overhead memory columns] [--rounds 5]
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from datasets import Dataset, DatasetDict
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import PrinterCallback, TrainerCallback, XLMRobertaConfig, XLMRobertaModel

from benchmarks.kept import ratio, take_turns
from hexapla import AlignConfig, open_corpus, write_corpus
from hexapla.alignment.batches import RowBatchSampler, shared_texts
from hexapla.alignment.cell_batch import CellBatch
from hexapla.alignment.prepare import prepare
from hexapla.alignment.token_cache import open_token_cache
from hexapla.alignment.trainer import MultiwayTrainer
from hexapla.alignment.trainer_setup import make_trainer
from hexapla.encoder.load import load_encoder
from hexapla.encoder.packing import Packing
from hexapla.runs.progress import Progress

SEVEN = ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans", "jpn_Jpan")
DATA = Path(os.environ.get("HEXAPLA_DATA", "../shared/data"))
# Layers, hidden size, attention heads and vocabulary of XLM-R base and of a small encoder.
SHAPES = {"base": (12, 768, 12, 250_002), "small": (6, 384, 12, 16_000)}
Rows = list[dict[str, str | None]]


def real_rows(n_rows: int, folder: str, languages: Sequence[str]) -> Rows:
    """Return complete rows, of real text where the data exist, repeated where they are too few."""
    path = DATA / folder / "train.parquet"
    source = pq.read_table(path).select(list(languages)).to_pylist() if path.is_file() else []
    rows = [
        row
        for row in source or open_corpus("sample", languages=languages).rows()
        if all(row.values())
    ]
    random.Random(0).shuffle(rows)
    return [
        dict(zip(languages, row.values(), strict=True))
        for row in itertools.islice(itertools.cycle(rows), n_rows)
    ]


def save_random_encoder(shape: str, folder: Path, dropout: float) -> str:
    """Save an encoder of the given shape with random weights and the tiny encoder's tokenizer."""
    layers, width, heads, pieces = SHAPES[shape]
    config = XLMRobertaConfig(
        vocab_size=pieces,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=514,
        type_vocab_size=1,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    torch.manual_seed(0)
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder / "bare")
    load_encoder("tiny").tokenizer.save_pretrained(folder / "bare")
    first = Transformer(str(folder / "bare"), max_seq_length=128)
    modules = [first, Pooling(width, pooling_mode="mean"), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / shape))
    return str(folder / shape)


class Clock(TrainerCallback):
    """Records when each step ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args: object, state: object, control: object, **_: object) -> None:
        """Record the time."""
        self.ends.append(time.perf_counter())

    def seconds(self) -> float:
        """Return the seconds from the end of the first step, a warm-up, to the end of the last."""
        return self.ends[-1] - self.ends[0]


class Ours:
    """An alignment of an encoder on rows, set up as `align` sets it up."""

    def __init__(self, rows: Rows, encoder: str, folder: Path, **settings: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_corpus(rows, folder / "corpus", languages=list(rows[0]))
        self.config = AlignConfig(
            corpus=str(folder / "corpus"),
            encoder=encoder,
            out=folder / "out",
            report_to="none",
            precision="fp32",
            temperature=0.05,  # as MultipleNegativesRankingLoss
            margin=0.0,
            whiten="none",
            preserve=0.0,
            alpha=1.0,
            cells_per_row=0,
            held_out=0.0,
            checkpoint_steps=10**6,
            **settings,  # type: ignore[arg-type]
        )
        self.model = load_encoder(encoder)
        self.prepared = prepare(self.config)
        names = (self.prepared.corpus.sha256, self.prepared.base.sha256)
        self.cells = open_token_cache(
            self.prepared.rows, self.prepared.corpus.languages, self.model, "", names
        )

    def trainer(self, packing: Packing) -> MultiwayTrainer:
        """Return a trainer with a new optimiser."""
        return make_trainer(
            self.prepared.config,
            self.prepared,
            self.model,
            self.cells,
            "",
            packing=packing,
            progress=Progress(quiet=True),
        )

    def seconds(self) -> float:
        """Train, and return the seconds of all steps but the first."""
        with Packing(self.model) as packing:
            trainer, clock = self.trainer(packing), Clock()
            trainer.add_callback(clock)
            trainer.train()
        return clock.seconds()

    def lengths(self) -> np.ndarray:
        """Return the number of tokens of each cell in the steps that `seconds` counts."""
        sampler = RowBatchSampler(
            shared_texts(self.cells.texts), len(self.cells.texts), self.config.rows_per_step
        )
        rows = np.array([row for batch in list(sampler.batches())[1:] for row in batch])
        n_columns = self.cells.texts.shape[1]
        return self.cells.lengths((rows[:, None] * n_columns + np.arange(n_columns)).flatten())


def theirs(
    rows: Rows, encoder: str, folder: Path, pairs: Sequence[tuple[str, str]], batch_size: int
) -> float:
    """Train with sentence-transformers' trainer on pair datasets.

    Returns:
        Seconds of all steps but the first.
    """
    # In float32, as in `Ours`.
    model = load_encoder(encoder)
    sets = {
        f"{a}-{b}": Dataset.from_dict(
            {"anchor": [r[a] for r in rows], "positive": [r[b] for r in rows]}
        )
        for a, b in pairs
    }
    loss = MultipleNegativesRankingLoss(
        model, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=batch_size,
        learning_rate=2e-5,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        logging_steps=10,
    )
    data = DatasetDict(sets) if len(sets) > 1 else next(iter(sets.values()))
    clock = Clock()
    trainer = SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=data, loss=loss, callbacks=[clock]
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return clock.seconds()


def rows_per_second(folder: Path, n_rounds: int) -> str:
    """Compare one pass over all 42 ordered pairs of a row with 21 symmetric pair datasets."""
    rows = real_rows(160, "stsb-mt", SEVEN)
    ours = Ours(rows, "tiny", folder, rows_per_step=32)
    pairs = list(itertools.combinations(SEVEN, 2))
    n_steps = len(rows) // 32
    seconds = take_turns(
        {
            "ours": lambda: ours.seconds() / (n_steps - 1) / 32,
            "theirs": lambda: (
                theirs(rows[:32], "tiny", folder, pairs, 32) / (len(pairs) - 1) * len(pairs) / 32
            ),
        },
        n_rounds,
    )
    rate = 1 / statistics.median(seconds["ours"])
    what = "rows a second, all pairs of 7 columns, over sentence-transformers' trainer"
    return f"{ratio(seconds, 'theirs', 'ours', what)} x; {rate:.1f} rows/s"


def sentences_per_second(folder: Path, n_rounds: int) -> str:
    """Compare at 224 sentences a step: 32 rows of seven, and 112 pairs in one merged pass."""
    rows = real_rows(160, "stsb-mt", SEVEN)
    draw = random.Random(1)
    pairs = [
        dict(zip(("a", "b"), draw.sample([row[c] for c in SEVEN], 2), strict=True))
        for row in real_rows(560, "stsb-mt", SEVEN)
    ]
    ours = Ours(rows, "tiny", folder, rows_per_step=32)
    seconds = take_turns(
        {"ours": ours.seconds, "theirs": lambda: theirs(pairs, "tiny", folder, [("a", "b")], 112)},
        n_rounds,
    )
    rate = 4 * 224 / statistics.median(seconds["ours"])
    what = "sentences a second, 224 a step, over sentence-transformers' trainer"
    return f"{ratio(seconds, 'theirs', 'ours', what)} x; {rate:.0f} sentences/s"


def fraction_of_peak(folder: Path, n_rounds: int) -> str:
    """Compare the FLOP/s of a step at XLM-R base's shape with those of a large matrix product."""
    shown = []
    for dropout in (0.1, 0.0):
        ours = Ours(
            real_rows(48, "stsb-mt", SEVEN),
            save_random_encoder("base", folder / str(dropout), dropout),
            folder / f"rows-{dropout}",
            rows_per_step=16,
        )
        lengths = ours.lengths()
        layers, width, _, _ = SHAPES["base"]
        # Forward and backward, in each layer: 6 FLOPs per weight and token, and 12 per hidden
        # dimension and pair of tokens in attention.
        flops = layers * (
            6 * 12 * width**2 * lengths.sum() + 12 * width * (lengths.astype(float) ** 2).sum()
        )
        one, other = torch.randn(3072, 3072), torch.randn(3072, 3072)

        def multiply(one: torch.Tensor = one, other: torch.Tensor = other) -> float:
            started = time.perf_counter()
            for _ in range(8):
                one @ other
            return 8 * 2 * 3072**3 / (time.perf_counter() - started)

        rates = take_turns(
            {"step": lambda o=ours, f=flops: f / o.seconds(), "peak": multiply}, n_rounds
        )
        what = f"arithmetic of a step over the matrix peak, dropout {dropout}"
        shown.append(f"{ratio(rates, 'step', 'peak', what)} with dropout {dropout}")
    return f"{'; '.join(shown)}; peak {statistics.median(rates['peak']) / 1e9:.0f} GFLOP/s"


def overhead(folder: Path, n_rounds: int) -> str:
    """Compare the trainer's steps with forward, backward and AdamW alone on the same passes."""
    shown = []
    for name, encoder, n_rows in (
        ("tiny", "tiny", 64),
        ("small", save_random_encoder("small", folder, 0.0), 32),
    ):
        ours = Ours(
            real_rows(3 * n_rows, "stsb-mt", SEVEN), encoder, folder / name, rows_per_step=n_rows
        )

        def bare(ours: Ours = ours) -> float:
            with Packing(ours.model) as packing:
                loss = ours.trainer(packing).loss
                batches = list(ours.trainer(packing).get_train_dataloader())
                optimizer = torch.optim.AdamW(ours.model.parameters(), lr=2e-5)
                ours.model.train()
                ends = []
                for batch in batches:
                    cells = CellBatch.from_inputs(batch)
                    total = torch.zeros(())
                    for begin, end in loss.passes.split(cells):
                        features = loss.passes.features(cells, begin, end)
                        total = total + ours.model(features)["sentence_embedding"].square().sum()
                    total.backward()
                    optimizer.step()
                    optimizer.zero_grad()
                    ends.append(time.perf_counter())
            return ends[-1] - ends[0]

        seconds = take_turns({"ours": ours.seconds, "bare": bare}, n_rounds)
        what = f"time of a step over its passes and AdamW alone, {name}"
        shown.append(f"{ratio(seconds, 'ours', 'bare', what)} {name}, {n_rows} rows a step")
    return "; ".join(shown)


def memory(folder: Path, n_rounds: int) -> str:
    """Compare peak memory: 512 rows a step in chunks of 64 rows' tokens, and 64 rows whole."""
    encoder = save_random_encoder("small", folder, 0.0)
    peaks = {n_rows: _peak_mib(n_rows, encoder) for n_rows in (64, 512)}
    return (
        f"{peaks[512] / peaks[64]:.2f}; {peaks[512]} MiB for 512 rows in chunks, "
        f"{peaks[64]} MiB for 64 whole"
    )


def _peak_mib(n_rows: int, encoder: str) -> int:
    """Return the peak memory of a new process that makes two steps."""
    command = [sys.executable, "-m", "benchmarks.step_memory", str(n_rows), encoder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])


def columns(folder: Path, n_rounds: int) -> str:
    """Compare seconds per token with 2 to 16 languages in a row.

    Cells are dealt to rows at random, so that text lengths do not depend on the languages.
    """
    several = (
        [c for c in pq.read_schema(DATA / "courses" / "train.parquet").names if "_" in c][:16]
        if (DATA / "courses" / "train.parquet").is_file()
        else list(open_corpus("sample").languages)
    )
    rows, draw = real_rows(96, "courses", several), random.Random(0)
    cells = [cell for row in rows for cell in row.values()]
    draw.shuffle(cells)
    counts = [n for n in (2, 4, 7, 11, 16) if n <= len(several)]
    runs = {}
    for n in counts:
        dealt = [dict(zip(several[:n], draw.sample(cells, n), strict=True)) for _ in range(96)]
        runs[n] = Ours(dealt, "tiny", folder / str(n), rows_per_step=32)
    times = take_turns(
        {str(n): lambda r=r, n=n: r.seconds() / int(r.lengths().sum()) for n, r in runs.items()},
        n_rounds,
    )
    medians = {n: statistics.median(seconds) for n, seconds in times.items()}
    middle = statistics.mean(medians.values())
    return "seconds per token over their mean, by number of languages: " + ", ".join(
        f"{n}: {s / middle:.2f}" for n, s in medians.items()
    )


PARTS = {
    "rows": rows_per_second,
    "sentences": sentences_per_second,
    "peak": fraction_of_peak,
    "overhead": overhead,
    "memory": memory,
    "columns": columns,
}


def main() -> None:
    """Measure the parts that are named, or all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, "all"], default="all", help="parts to measure"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds after one of warm-up")
    args = parser.parse_args()
    print(
        f"{torch.get_num_threads()} threads, {'real rows' if DATA.is_dir() else 'the sample'}",
        flush=True,
    )
    for name in PARTS if "all" in args.parts else args.parts:
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name:10} {PARTS[name](Path(folder), args.rounds)}", flush=True)


if __name__ == "__main__":
    main()
