"""Run ablations of the alignment recipe: each candidate alone, over several seeds.

In: the folders that recipes/README.md lists. The tiny encoder is aligned on 3,000 rows of
`stsb-mt/train` in English and six other languages; unless its settings say otherwise, each variant
encodes as many sentences as one epoch of multiway. all-MiniLM-L6-v2, which is a good sentence
encoder before alignment, is aligned on 1,500 rows in English and three other languages.
Variants are compared on development data: 400 rows of `sib200/train` (bitext with English, 6 seen
and 5 unseen languages) and 750 pairs of `stsb-mt/dev` (English, German, Chinese, Italian). With
`--test` they are measured on test sets in the same languages: `sib200/test`, `tatoeba` and
`stsb-mt/test`.
Out: `results.jsonl` with one line per run, and the encoders. Finished runs are not repeated, and
several processes may share `OUT`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hexapla import AlignConfig, EvaluateConfig, align, evaluate
from hexapla.evaluation import Score

SEEN = ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans", "jpn_Jpan")
UNSEEN = ("ita_Latn", "pol_Latn", "ukr_Cyrl", "tur_Latn", "hin_Deva")
STS = ("eng_Latn", "deu_Latn", "zho_Hans", "ita_Latn")
SPARSE = ("rus_Cyrl", "zho_Hans", "jpn_Jpan")
"""Languages that lose four fifths of their cells in `holes.parquet`."""
PAPER = {
    "corpus": "rows.parquet",
    "languages": SEEN,
    "rows_per_step": 64,
    "learning_rate": 1e-3,
    "held_out": 0.0,
    "temperature": 0.05,
    "margin": 0.0,
    "whiten": "none",
    "preserve": 0.0,
    "alpha": 1.0,
}
EN_X = {"regime": "en-x", "budget": "encodings"}
MINILM = {
    "encoder": "minilm",
    "corpus": "few.parquet",
    "languages": SEEN[:4],
    "learning_rate": 1e-4,
}
VARIANTS: dict[str, dict[str, Any] | None] = {
    "base": None,
    "paper": {},
    "hexapla": {"temperature": 0.02, "margin": 0.2},
    "all": {"negatives": "all"},
    "margin0.2": {"margin": 0.2},
    "margin0.4": {"margin": 0.4},
    "rows32": {"rows_per_step": 32},
    "epochs2": {"epochs": 2},
    "en-x": EN_X,
    "en-x-margin0.4": {**EN_X, "margin": 0.4},
    "en-x-margin0.4-rate2e-3": {**EN_X, "margin": 0.4, "learning_rate": 2e-3},
    "margin0.4-rate2e-3": {"margin": 0.4, "learning_rate": 2e-3},
    "margin0.4-rows32": {"margin": 0.4, "rows_per_step": 32},
    "margin0.4-rows32-all": {"margin": 0.4, "rows_per_step": 32, "negatives": "all"},
    "temperature0.1-margin0.4": {"margin": 0.4, "temperature": 0.1},
    "temperature0.03-margin0.2": {"margin": 0.2, "temperature": 0.03},
    "preserve": {"preserve": 3.0},
    "minilm-base": None,
    "minilm": MINILM,
    "minilm-preserve": {**MINILM, "preserve": 3.0},
}


def prepare(data: Path, out: Path) -> None:
    """Write the rows for training and those for evaluation."""
    out.mkdir(parents=True, exist_ok=True)
    whole = pq.read_table(data / "stsb-mt" / "train.parquet")
    rows = whole.take(np.sort(np.random.default_rng(0).permutation(len(whole))[:3000]))
    draw = np.random.default_rng(1)
    with_holes = {
        name: [
            None if name in SPARSE and draw.random() < 0.8 else cell
            for cell in rows.column(name).to_pylist()
        ]
        for name in rows.column_names
    }
    evaluation = {
        "dev": pq.read_table(data / "sib200" / "train.parquet").slice(0, 400),
        "test": pq.read_table(data / "sib200" / "test.parquet"),
    }
    tables = {
        "rows": rows,
        "few": rows.slice(0, 1500),
        "holes": pa.table(with_holes),
        **{f"bitext-{split}": table for split, table in evaluation.items()},
    }
    for name, table in tables.items():
        pq.write_table(table, out / f"{name}.parquet")
    for language in STS:
        for split, n_pairs in (("dev", 750), ("test", None)):
            (out / f"sts-{split}").mkdir(exist_ok=True)
            pairs = pq.read_table(data / "stsb-mt" / split / f"{language}.parquet").slice(
                0, n_pairs
            )
            pq.write_table(pairs, out / f"sts-{split}" / f"{language}.parquet")


def measure(encoder: str, name: str, args: argparse.Namespace) -> dict[str, float]:
    """Return means over languages, on development data or on test data."""
    split = "test" if args.test else "dev"
    folder = args.out / f"scores-{split}" / name
    shutil.rmtree(folder, ignore_errors=True)
    common: dict[str, Any] = {"encoder": encoder, "seen": SEEN, "batch_size": 64}
    languages = (*SEEN, *UNSEEN)

    def scores(task: str, suite: str, data: Path, **more: Any) -> list[Score]:
        config = EvaluateConfig(**common, out=folder / task, suite=suite, data=str(data), **more)
        return evaluate(config, quiet=True)

    bitext = scores("bitext", "bitext", args.out / f"bitext-{split}.parquet", languages=languages)
    sts = scores("sts", "sts", args.out / f"sts-{split}")

    def mean(scores: list[Score], task: str, metric: str, seen: bool | str) -> float:
        values = [
            score.value
            for score in scores
            if score.task.startswith(f"{task}/")
            and score.metric == metric
            and seen in (score.seen, score.languages)
        ]
        return round(float(np.mean(values)), 4)

    means = {
        "bitext_seen": mean(bitext, "bitext", "accuracy", True),
        "bitext_unseen": mean(bitext, "bitext", "accuracy", False),
        "margin_seen": mean(bitext, "bitext", "margin_accuracy", True),
        "margin_unseen": mean(bitext, "bitext", "margin_accuracy", False),
        "sts_seen": mean(sts, "sts", "spearman", True),
        "sts_unseen": mean(sts, "sts", "spearman", False),
        "sts_english": mean(sts, "sts", "spearman", "eng_Latn"),
    }
    if args.test:
        tatoeba = scores("tatoeba", "bitext", args.data / "tatoeba", languages=languages)
        means |= {
            f"tatoeba_{name}": mean(tatoeba, "bitext", "accuracy", name == "seen")
            for name in ("seen", "unseen")
        }
    return means


def run(variant: str, seed: int, args: argparse.Namespace) -> None:
    """Align and measure, unless another process has started or finished the same run."""
    name = f"{variant}-seed{seed}"
    try:
        os.close(os.open(args.out / f".{name}{'-test' * args.test}.lock", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    settings = VARIANTS[variant]
    encoder, cost = str(args.minilm if variant.startswith("minilm") else "tiny"), {}
    if settings is not None:
        chosen = {**PAPER, **settings, "encoder": encoder}
        config = AlignConfig(
            **{**chosen, "corpus": str(args.out / chosen["corpus"])},
            out=args.out / "runs" / name,
            seed=seed,
            report_to="none",
            precision=args.precision,
            resume=(args.out / "runs" / name).exists(),
        )
        result = align(config, quiet=True)
        cost = {key: result[key] for key in ("n_steps", "n_encodings", "seconds")}
        encoder = str(args.out / "runs" / name)
    split = "test" if args.test else "dev"
    line = {
        "variant": variant,
        "seed": seed,
        "split": split,
        **measure(encoder, name, args),
        **cost,
    }
    with (args.out / "results.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def summary(results: Path) -> str:
    """Return a line per variant and split: mean and standard deviation over seeds, in percent."""
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    shown = []
    for split, variant in dict.fromkeys((line["split"], line["variant"]) for line in lines):
        runs = [line for line in lines if (line["split"], line["variant"]) == (split, variant)]
        cells = [f"{split} {variant} ({len(runs)} seeds)"]
        keys = [key for key in runs[0] if key.startswith(("bitext", "margin", "tatoeba", "sts"))]
        for key in keys:
            values = [100 * run[key] for run in runs]
            spread = f" ±{np.std(values, ddof=1):.1f}" if len(runs) > 1 else ""
            cells.append(f"{key} {np.mean(values):.1f}{spread}")
        shown.append(", ".join(cells))
    return "\n".join(shown)


def main() -> None:
    """Run the chosen variants, and print a summary of all runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the data")
    parser.add_argument("--out", type=Path, required=True, help="folder for results and encoders")
    parser.add_argument(
        "--minilm",
        type=Path,
        help="folder of all-MiniLM-L6-v2; without it the variants minilm* are left out",
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        default=list(VARIANTS),
        choices=list(VARIANTS),
        metavar="NAME",
        help="variants to run; all by default",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="training seeds")
    parser.add_argument("--precision", default="auto", help="of training: auto, bf16 or fp32")
    parser.add_argument("--test", action="store_true", help="measure on test sets")
    args = parser.parse_args()
    if not (args.out / "sts-test" / f"{STS[-1]}.parquet").is_file():
        prepare(args.data, args.out)
    for seed in args.seeds:
        for variant in args.variants:
            if args.minilm or not variant.startswith("minilm"):
                run(variant, seed, args)
    print(summary(args.out / "results.jsonl"))


if __name__ == "__main__":
    main()
