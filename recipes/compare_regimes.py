"""Compare the regimes on real data: settings chosen on development data, the chosen ones judged on test data.

In: the folders that recipes/README.md lists. The tiny encoder is aligned on `stsb-mt/train` in English and six targets,
one epoch of rows, or as many encodings as multiway takes in one, under each variant below. Learning rate and rows a
step are each variant's own, by the mean of the bitext accuracy in seen and in unseen languages on `sib200/train`; for
those chosen `stsb-mt/dev` is reported beside it, and chooses nothing.
Out: encoders and scores of every run, `choice.json`, and the comparison on `sib200`, `tatoeba` and `stsb-mt/test`.
What is there already is not run again, so an interrupted comparison goes on, and a finer search adds to a coarser one.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from hexapla.align import AlignConfig, align
from hexapla.evaluate import EvaluateConfig, Score, evaluate, read_scores
from hexapla.report import CompareConfig, compare

SEEN = ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans", "jpn_Jpan")
# The pool's neighbours, and languages of other families and scripts; development, which runs often, takes fewer.
UNSEEN_DEV = ("ita_Latn", "pol_Latn", "ukr_Cyrl", "tur_Latn", "hin_Deva")
UNSEEN = (*UNSEEN_DEV, "nld_Latn", "por_Latn", "arb_Arab", "kor_Hang", "swh_Latn")
VARIANTS: dict[str, dict[str, Any]] = {
    "en-x-rows": {"regime": "en-x", "budget": "rows"},
    "en-x-encodings": {"regime": "en-x", "budget": "encodings"},
    "star": {"regime": "star", "budget": "rows"},
    "multiway-target": {"regime": "multiway", "negatives": "target", "budget": "rows"},
    "multiway-all": {"regime": "multiway", "negatives": "all", "budget": "rows"},
}
log = logging.getLogger("compare_regimes")


def train(name: str, settings: dict[str, Any], args: argparse.Namespace) -> Path:
    """Align one encoder, or find it done."""
    out = args.out / "runs" / name
    config = AlignConfig(
        corpus=str(args.data / "stsb-mt" / "train.parquet"), encoder=args.encoder, out=out, languages=SEEN,
        precision=args.precision, report_to="none", seed=args.seed, resume=out.exists(), **settings,
    )  # fmt: skip
    result = align(config, quiet=True)
    log.info("%s: %s steps, %s encodings, %s s", name, result["n_steps"], result["n_encodings"], result["seconds"])
    return out


def measure(encoder: str, name: str, suite: str, args: argparse.Namespace) -> list[Score]:
    """Score an encoder, or read the scores that are there."""
    out = args.out / suite / name
    if (out / "scores.jsonl").is_file():
        return read_scores(out)
    shutil.rmtree(out, ignore_errors=True)
    asked: dict[str, Any] = {
        "choose": {
            "suite": "bitext",
            "data": args.data / "sib200" / "train.parquet",
            "languages": (*SEEN, *UNSEEN_DEV),
        },
        "dev-sts": {"suite": "sts", "data": args.data / "stsb-mt" / "dev"},
        "test": {"suite": "test", "data": args.data, "languages": (*SEEN, *UNSEEN)},
    }[suite]
    return evaluate(
        EvaluateConfig(encoder=encoder, out=out, seen=SEEN, batch_size=args.batch_size, **asked), quiet=True
    )


def summary(scores: list[Score]) -> dict[str, float]:
    """Return the means that choose and those reported beside them."""

    def mean(task: str, metric: str, seen: bool) -> float:
        found = [
            score.value
            for score in scores
            if score.task.startswith(task) and score.metric == metric and score.seen == seen
        ]
        return float(np.mean(found)) if found else float("nan")

    english = [score.value for score in scores if score.task.startswith("sts") and score.languages == "eng_Latn"]
    return {
        "bitext_seen": mean("bitext", "accuracy", True),
        "bitext_unseen": mean("bitext", "accuracy", False),
        "sts_seen": mean("sts", "spearman", True),
        "sts_unseen": mean("sts", "spearman", False),
        "sts_english": english[0] if english else float("nan"),
    }


def choose(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Search learning rate first, then rows a step at the best of it, for each variant, on development data."""
    record = args.out / "choice.json"
    before = json.loads(record.read_text()) if record.is_file() else {"chosen": {}, "trials": []}
    chosen: dict[str, dict[str, Any]] = before["chosen"]
    trials: list[dict[str, Any]] = before["trials"]
    base = summary(measure(args.encoder, "base", "choose", args))
    log.info("base %s", base)
    for variant in args.variants:
        fixed = VARIANTS[variant]
        best: dict[str, Any] | None = chosen.get(variant)
        rows_first = args.rows[0]
        tried = [(rate, rows_first) for rate in args.rates]
        for stage in ("rate", "rows"):
            if stage == "rows":
                if best is None:
                    break
                tried = [(best["learning_rate"], rows) for rows in args.rows[1:]]
            for rate, rows in tried:
                name = f"{variant}-lr{rate:g}-rows{rows}"
                encoder = train(name, {**fixed, "learning_rate": rate, "rows_per_step": rows}, args)
                found = summary(measure(str(encoder), name, "choose", args))
                trial = {
                    "variant": variant, "learning_rate": rate, "rows_per_step": rows, "run": name,
                    "score": (found["bitext_seen"] + found["bitext_unseen"]) / 2, **found,
                }  # fmt: skip
                trials[:] = [other for other in trials if other["run"] != name] + [trial]
                log.info("%s", {key: round(v, 4) if isinstance(v, float) else v for key, v in trial.items()})
                if best is None or trial["score"] > best["score"]:
                    best = trial
        if best is not None:
            chosen[variant] = best
        record.write_text(json.dumps({"base": base, "chosen": chosen, "trials": trials}, indent=2))
    return chosen


def main() -> None:
    """Choose, test, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--encoder", default="tiny")
    parser.add_argument("--rates", type=float, nargs="+", default=[3e-4, 1e-3, 3e-3])
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[64, 32, 128], help="rows a step; the first while rates are tried"
    )
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--batch-size", type=int, default=64, help="texts in one forward pass of the evaluation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--choose-only", action="store_true")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    log.setLevel(logging.INFO)
    args.out.mkdir(parents=True, exist_ok=True)
    chosen = choose(args)
    if args.choose_only:
        return
    names = {"base": args.encoder}
    for variant, trial in chosen.items():  # the folder's name is the run's label in the table
        names[variant] = str(args.out / "chosen" / variant)
        if not Path(names[variant]).exists():
            shutil.copytree(args.out / "runs" / trial["run"], names[variant])
    for name, encoder in names.items():
        log.info("dev %s %s", name, summary(measure(encoder, name, "dev-sts", args)))
        log.info("test %s %s", name, summary(measure(encoder, name, "test", args)))
    config = CompareConfig(
        scores=tuple(args.out / "test" / name for name in names), out=args.out / "comparison", overwrite=True
    )
    print(compare(config).to_markdown())


if __name__ == "__main__":
    main()
