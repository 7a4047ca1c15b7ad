"""Score folders made in code, as `evaluate` leaves them: three runs, several tasks and languages, examples, curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hexapla.evaluation.scores import Score, per_item_path, signature, write_scores

LANGUAGES = ("eng_Latn", "deu_Latn", "fra_Latn", "hin_Deva", "swh_Latn", "zho_Hans")
SEEN = ("eng_Latn", "deu_Latn", "fra_Latn")
EVIL = "<img src=x onerror=\"document.title='ran'\"> </script><script>document.title='ran'</script>"


def write_folder(
    folder: Path,
    regime: str | None,
    rate: float,
    *,
    languages: Sequence[str] = LANGUAGES,
    n_items: int = 40,
    n_rows: int = 12,
    seed: int = 0,
) -> Path:
    """Write a run whose accuracies are about `rate`, and whose examples lie apart by language the less the higher."""
    draw = np.random.default_rng([seed, int(100 * rate)])
    others = [code for code in languages if code != "eng_Latn"]
    measured: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for number, first in enumerate(languages):
        for second in languages[number + 1 :]:
            for pair in (f"{first}-{second}", f"{second}-{first}"):
                hit = (draw.random(n_items) < rate).astype(float)
                measured["bitext/toy", pair] = {"accuracy": hit, "f1": hit * 0.9, "hubness": hit * 0.1}
    gold = np.linspace(0, 5, n_items)
    for code in languages:
        cosine = rate * gold / 5 + draw.normal(size=n_items) * 0.4
        measured["sts/toy", code] = {"cosine": cosine, "gold": gold}
        measured["topics/toy", code] = {"accuracy": draw.random(n_items) * rate}
        measured["language-identity/a-name-as-long-as-some-are", code] = {"identified": draw.random(n_items)}
    for code in others:
        measured["xsim/toy", f"{code}-eng_Latn"] = {"xsim": (draw.random(n_items) > rate).astype(float)}
    from scipy.stats import spearmanr

    scores, tables = [], {}
    for (task, pair), columns in measured.items():
        path = per_item_path(task, "test", pair)
        tables[path] = pa.table({"item": [str(item) for item in range(n_items)], **columns})
        if "cosine" in columns:
            values = {"spearman": float(spearmanr(columns["cosine"], columns["gold"]).statistic)}
        else:
            values = {metric: float(column.mean()) for metric, column in columns.items()}
        for metric, value in values.items():
            fields = {
                "task": task,
                "split": "test",
                "languages": pair,
                "metric": metric,
                "n": n_items,
                "max_tokens": 64,
            }
            scores.append(
                Score(
                    task=task, metric=metric, value=value, n=n_items, languages=pair,
                    seen=None if regime is None else set(pair.split("-")) <= set(SEEN), split="test",
                    encoder=folder.name, encoder_sha=f"{folder.name}-sha", corpus="toy" if regime else None,
                    regime=regime, seed=seed if regime else None, signature=signature({**fields, "torch": "2"}),
                    per_item=path,
                )
            )  # fmt: skip
    write_scores(scores, tables, folder)
    training = {}
    if regime:
        losses = [{"step": step, "loss": 3 / (1 + step / 20) + 0.1 * seed} for step in range(10, 110, 10)]
        training = {
            "regime": regime, "budget": "rows", "n_rows_seen": 500, "n_encodings": 3500, "corpus": "toy",
            "corpus_sha256": "c", "seed": seed, "losses": losses, "held_out": [{"step": 100, "accuracy": rate}],
        }  # fmt: skip
    encoder = {"sha256": f"{folder.name}-sha", "training": training}
    (folder / "run.json").write_text(json.dumps({"command": "evaluate", "encoder": encoder}), encoding="utf-8")
    write_examples(folder, rate, languages, n_rows)
    return folder


def write_examples(folder: Path, rate: float, languages: Sequence[str], n_rows: int) -> None:
    """Write sentences whose vectors are a meaning and, the more the lower the rate, a language; one is an attack."""
    draw = np.random.default_rng(7)
    meaning, direction = draw.normal(size=(n_rows, 16)), draw.normal(size=(len(languages), 16))
    noise = draw.normal(size=(len(languages), n_rows, 16))
    vectors = meaning + (1 - rate) * 3 * direction[:, None] + 0.2 * noise
    texts = [f"{code} sentence {row}" for code in languages for row in range(n_rows)]
    texts[0] = EVIL
    pq.write_table(
        pa.table(
            {
                "item": [str(row) for _ in languages for row in range(n_rows)],
                "language": [code for code in languages for _ in range(n_rows)],
                "text": texts,
                "vector": pa.array(list(vectors.reshape(-1, 16).astype(np.float16)), type=pa.list_(pa.float16())),
            }
        ),
        folder / "examples.parquet",
    )


def write_runs(folder: Path, **settings: object) -> list[Path]:
    """Write an unaligned base, en-x and multiway."""
    runs = (("base", None, 0.2), ("en-x", "en-x", 0.5), ("multiway", "multiway", 0.8))
    return [write_folder(folder / name, regime, rate, **settings) for name, regime, rate in runs]  # type: ignore[arg-type]
