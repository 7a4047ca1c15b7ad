"""MTEB's tasks on toy data: folders laid out as the tasks' repositories, for `evaluate --data`."""

from __future__ import annotations

import random
from pathlib import Path

from recipes.mteb_folder import write_task
from tests.toy import toy_rows

# German is known to the toy encoder, as the other toy languages; the codes are the tasks' own.
NTREX = {"eng_Latn": "eng_Latn", "deu_Latn": "deu_Latn", "fra_Latn": "fra_Latn", "spa_Latn": "spa_Latn"}
SHORT = {"en": "eng_Latn", "de": "deu_Latn", "fr": "fra_Latn", "es": "spa_Latn"}


def write_tatoeba(data: Path, n_rows: int = 30) -> None:
    rows = toy_rows(2 * n_rows)
    columns: dict[str, list[object]] = {"sentence1": [], "sentence2": [], "lang": []}
    for number, code in enumerate(("deu", "fra")):
        for row in rows[number * n_rows : (number + 1) * n_rows]:
            columns["sentence1"].append(row[f"{code}_Latn"])
            columns["sentence2"].append(row["eng_Latn"])
            columns["lang"].append(f"{code}-eng")
    columns["sentence1"][1] = columns["sentence1"][0]  # equal sentences, as Tatoeba has many
    write_task(data / "Tatoeba", {"default": {"test": columns}})


def write_ntrex(data: Path, n_rows: int = 40) -> None:
    rows = toy_rows(n_rows, seed=1)
    columns = {column: [row[code] for row in rows] for column, code in NTREX.items()}
    write_task(data / "NTREXBitextMining", {"default": {"test": columns}})


def write_sts(data: Path, n_rows: int = 40) -> None:
    draw, rows = random.Random(0), toy_rows(n_rows, seed=2)
    splits = {}
    for split in ("dev", "test"):
        columns: dict[str, list[object]] = {"sentence1": [], "sentence2": [], "similarity_score": [], "lang": []}
        scores = [round(draw.uniform(0, 5)) for _ in rows]
        kept = [draw.random() for _ in rows]
        for short, code in SHORT.items():
            for row, score, share in zip(rows, scores, kept, strict=True):
                words = str(row[code]).split()
                other = words[: max(1, round(share * len(words)))]
                columns["sentence1"].append(" ".join(words))
                columns["sentence2"].append(" ".join(words if share > 0.8 else other))
                columns["similarity_score"].append(float(score))
                columns["lang"].append(short)
        splits[split] = columns
    write_task(data / "STSBenchmarkMultilingualSTS", {"default": splits})


def write_sib200(data: Path, n_rows: int = 60) -> None:
    rows = {split: toy_rows(n_rows, seed=seed) for seed, split in enumerate(("train", "validation", "test"), start=3)}
    topics = ("travel", "health", "sports")
    configs = {
        code: {
            split: {
                "index_id": list(range(n_rows)),
                "category": [topics[len(str(row["eng_Latn"]).split()) % 3] for row in of_split],
                "text": [row[code] for row in of_split],
            }
            for split, of_split in rows.items()
        }
        for code in NTREX
    }
    write_task(data / "SIB200Classification", configs)


def write_all(data: Path) -> Path:
    for write in (write_tatoeba, write_ntrex, write_sts, write_sib200):
        write(data)
    return data


def write_every_task(data: Path, n_rows: int = 12) -> Path:
    """Write all 18 tasks with the columns that their repositories have, in English and German, or Hindi or Afrikaans."""
    rows = toy_rows(n_rows, seed=9)
    english, other = ([str(row[code]) for row in rows] for code in ("eng_Latn", "deu_Latn"))
    pair = {"sentence1": other, "sentence2": english}
    judged = {**pair, "score": [float(number % 5) for number in range(n_rows)]}
    labelled = {"text": other, "label": [number % 3 for number in range(n_rows)]}

    def in_one(columns: dict[str, list[object]], *langs: str) -> dict[str, list[object]]:
        return {
            **{name: values * len(langs) for name, values in columns.items()},
            "lang": [x for x in langs for _ in rows],
        }

    one_table = {
        "Tatoeba": in_one(pair, "deu-eng"), "BUCC.v2": in_one(pair, "de-en"), "STS17": in_one(judged, "en-en", "en-de"),
        "STS22.v2": in_one(judged, "en", "de-en"),
        "STSBenchmarkMultilingualSTS": in_one({**pair, "similarity_score": judged["score"]}, "en", "de"),
        "NTREXBitextMining": {"eng_Latn": english, "deu_Latn": other},
        "IN22GenBitextMining": {"eng_Latn": english, "hin_Deva": other},
    }  # fmt: skip
    for name, columns in one_table.items():
        write_task(data / name, {"default": {"test": columns}})
    write_task(data / "FloresBitextMining", {"default": {"devtest": {"eng_Latn": english, "deu_Latn": other}}})
    write_task(data / "BibleNLPBitextMining", {"eng-ceb": {"train": {"eng": english, "ceb": other}}})
    write_task(data / "SemRel24STS", {"afr": {"test": judged}, "eng": {"test": judged}})
    write_task(data / "IndicCrosslingualSTS", {"en-hi": {"test": judged}})
    both = {split: labelled for split in ("train", "validation", "test")}
    for name in ("MassiveIntentClassification", "MassiveScenarioClassification"):
        write_task(data / name, {"default": {split: in_one(labelled, "en", "de") for split in both}})
    for name in ("MTOPDomain", "MTOPIntent", "AmazonCounterfactual", "AmazonReviews"):
        write_task(data / f"{name}Classification", {"en": both, "de": both})
    sib = {"index_id": list(range(n_rows)), "category": [f"t{number % 3}" for number in range(n_rows)], "text": other}
    write_task(data / "SIB200Classification", {code: dict.fromkeys(both, sib) for code in ("eng_Latn", "deu_Latn")})
    return data
