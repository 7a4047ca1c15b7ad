"""Compare `hexapla align --teacher` with sentence-transformers' `make_multilingual.py`.

Theirs is that example's trainer with `MSELoss` on one dataset for each language, of English
sentences, their translations, and the teacher's vectors of the English. Ours takes the same rows,
with the teacher alone and beside the contrastive term. All encode equally many sentences, with the
prompt that the encoder saved. Times are of everything: the teacher's vectors, tokenising, loading,
training, saving. Student and teacher have as many dimensions, which `MSELoss` needs.

In: the folder `HEXAPLA_DATA` (by default ../shared/data; see recipes/README.md).
Out: one line for each, measured on development data: accuracy of bitext (400 rows of
`sib200/train`) with and without English and error of xsim++, in seen and unseen languages, and STS
in English and German.

    python -m benchmarks.teach [--student small@4] [--teacher small] [--rows 500] [--rate 5e-4]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MSELoss

from benchmarks.align import DATA, SEVEN, Rows, real_rows
from hexapla import AlignConfig, EvaluateConfig, align, evaluate, write_corpus
from hexapla.encoder.encode import encode
from hexapla.encoder.load import load_encoder, training_prompt
from hexapla.evaluation import Score

PIVOT = SEVEN[0]
MEASURED = ("eng_Latn", "deu_Latn", "zho_Hans", "ita_Latn", "hin_Deva")
_N_ROWS = 400  # of development data
_ROWS_PER_STEP = 16
OURS: dict[str, dict[str, object]] = {
    "ours, teacher alone": {"contrastive_weight": 0.0},
    "ours, beside the contrastive term": {},
}


def theirs(rows: Rows, student: str, teacher: str, folder: Path, rate: float) -> None:
    """Train as `make_multilingual.py` does, on as many sentences as `ours`."""
    model = load_encoder(student)
    n_sentences = sum(1 for row in rows for text in row.values() if text)
    batch = _ROWS_PER_STEP * len(SEVEN) // 2  # two sentences each: as many as ours in a step
    train_theirs(
        model,
        taught_pairs(rows, teacher),
        MSELoss(model),
        folder,
        steps=max(1, round(n_sentences / 2 / batch)),
        batch=batch,
        rate=rate,
    )
    model.save(str(folder / "encoder"))


def taught_pairs(rows: Rows, teacher: str) -> datasets.DatasetDict:
    """Return a dataset for each language: English, translation and the teacher's vector."""
    taught = load_encoder(teacher)
    vectors = encode(taught, [str(row[PIVOT]) for row in rows], task="STS", normalize=False)
    sets = {}
    for language in SEVEN[1:]:
        chosen = [place for place, row in enumerate(rows) if row[language]]
        sets[language] = datasets.Dataset.from_dict(
            {
                "english": [rows[place][PIVOT] for place in chosen],
                "non_english": [rows[place][language] for place in chosen],
                "label": vectors[chosen],
            }
        )
    return datasets.DatasetDict(sets)


def train_theirs(
    model: SentenceTransformer,
    sets: datasets.DatasetDict,
    loss: torch.nn.Module,
    folder: Path,
    *,
    steps: int,
    batch: int,
    rate: float,
) -> None:
    """Train with sentence-transformers' trainer, with the prompt that the encoder saved."""
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder / "trainer"),
        max_steps=steps,
        per_device_train_batch_size=batch,
        learning_rate=rate,
        warmup_ratio=0.1,
        prompts=training_prompt(model) or None,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    SentenceTransformerTrainer(model=model, args=arguments, train_dataset=sets, loss=loss).train()


def ours(
    rows: Rows, student: str, teacher: str, folder: Path, rate: float, **settings: object
) -> None:
    """Train by `hexapla align`, for one epoch."""
    write_corpus(rows, folder / "corpus", languages=SEVEN)
    align(
        AlignConfig(
            corpus=str(folder / "corpus"),
            encoder=student,
            teacher=teacher,
            out=folder / "encoder",
            learning_rate=rate,
            rows_per_step=_ROWS_PER_STEP,
            cells_per_row=0,
            precision="fp32",
            held_out=0.0,
            report_to="none",
            **settings,  # type: ignore[arg-type]
        ),
        quiet=True,
    )


def measure(encoder: str, folder: Path) -> str:
    """Return accuracies and correlations on development data, in percent."""
    table = pq.read_table(DATA / "sib200" / "train.parquet").slice(0, _N_ROWS)
    pq.write_table(pa.table(table), folder / "rows.parquet")
    bitext = evaluate(
        EvaluateConfig(
            encoder=encoder,
            suite="bitext",
            data=folder / "rows.parquet",
            languages=MEASURED,
            pairs="all",
            out=folder / "bitext",
        ),
        quiet=True,
    )
    sts = evaluate(
        EvaluateConfig(
            encoder=encoder,
            suite="sts",
            data=DATA / "stsb-mt" / "dev",
            languages=MEASURED[:2],
            out=folder / "sts",
        ),
        quiet=True,
    )
    return f"{describe_bitext(bitext)}; STS {describe_sts(sts)}"


def describe_bitext(scores: Iterable[Score]) -> str:
    """Return mean accuracies with and without English, and mean errors of xsim++.

    Each is of seen pairs / of those with an unseen language.
    """
    groups: dict[tuple[str, bool], list[float]] = {}
    for score in scores:
        pair = score.languages.split("-")
        if score.metric == "xsim++":
            name = score.metric
        elif score.metric == "accuracy" and score.task.startswith("bitext/"):
            name = "with English" if PIVOT in pair else "without English"
        else:
            continue
        groups.setdefault((name, set(pair) <= set(SEVEN)), []).append(score.value)
    means = {key: f"{100 * sum(values) / len(values):.1f}" for key, values in groups.items()}
    return "; ".join(
        f"{name} {means[name, True]} / {means[name, False]}"
        for name in ("with English", "without English", "xsim++")
    )


def describe_sts(scores: Iterable[Score]) -> str:
    """Return the correlation within each language."""
    return " ".join(
        f"{score.languages} {100 * score.value:.1f}"
        for score in scores
        if "-" not in score.languages
    )


def main() -> None:
    """Train each and print what it reached and took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--student", default="small@4")
    parser.add_argument("--teacher", default="small")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--rate", type=float, default=5e-4)
    arguments = parser.parse_args()
    rows = real_rows(arguments.rows, "stsb-mt", SEVEN)
    given = (rows, arguments.student, arguments.teacher)
    cases: dict[str, dict[str, object] | None] = {"sentence-transformers": None, **OURS}
    with tempfile.TemporaryDirectory() as temporary:
        print(f"untrained: {measure(arguments.student, make(temporary, 'untrained'))}", flush=True)
        for place, (name, settings) in enumerate(cases.items()):
            folder = make(temporary, str(place))
            # Tokens and vectors of one are of no use to the next.
            datasets.config.HF_DATASETS_CACHE = folder / "cache"
            started = time.monotonic()
            if settings is None:
                theirs(*given, folder, arguments.rate)
            else:
                ours(*given, folder, arguments.rate, **settings)
            seconds = time.monotonic() - started
            print(
                f"{name}: {measure(str(folder / 'encoder'), folder)}; {seconds:.0f} s", flush=True
            )


def make(parent: str, name: str) -> Path:
    """Make a folder and return it."""
    folder = Path(parent) / name
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
