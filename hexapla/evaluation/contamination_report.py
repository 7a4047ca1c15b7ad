"""A training corpus and evaluation texts -> how many evaluation sentences the corpus holds, task by task.

A score on sentences that the encoder was aligned on says little of others. `contamination.json` in
a score folder keeps what was found, so that a comparison can flag the task without the corpus at
hand. A sentence is found as `hexapla.corpus.contamination` finds one: equal to a cell but for case,
punctuation and white space, or with more than half of its 8-grams in one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hexapla.corpus.contamination import Contamination
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.encoder.locate import EncoderFacts, locate
from hexapla.errors import InputError
from hexapla.runs.record import read_record
from hexapla.text.words import tokens

CONTAMINATION_FILE = "contamination.json"
_MOST_EXAMPLES = 3


class TaskOverlap(NamedTuple):
    """What a corpus holds of one task: `n_found` of its `n_sentences` distinct sentences, and up to three of those."""

    task: str
    split: str
    n_sentences: int
    n_found: int
    examples: tuple[str, ...]


class Overlap(NamedTuple):
    """What a corpus holds of all that was evaluated."""

    corpus: str
    corpus_sha256: str
    tasks: tuple[TaskOverlap, ...]


def corpus_overlap(
    corpus: Corpus, texts: Mapping[tuple[str, str], Iterable[str]]
) -> dict[str, Any]:
    """Look for evaluation sentences in a corpus, in one walk over its rows.

    Args:
        corpus: What was trained on: the columns and the rows selected of it.
        texts: The evaluation sentences of each task and split, in any language. Those that differ
            in nothing but case, punctuation and white space count as one, and one that two tasks
            have counts in both.

    Returns:
        What `contamination.json` holds: `corpus`, `corpus_sha256` (of what was searched), `n_rows`
        and `tasks`.
    """
    sentences = {
        key: {_folded(text): text.strip() for text in every} for key, every in texts.items()
    }
    for of_task in sentences.values():
        of_task.pop("", None)
    index = Contamination()
    if any(sentences.values()):
        index.add_set(
            "evaluation", (text for of_task in sentences.values() for text in of_task.values())
        )
    found: set[str] = set()
    n_rows = 0
    for batch in corpus.batches():
        n_rows += batch.num_rows
        for language in corpus.languages:
            for cell in batch.column(language).to_pylist():
                found.update(map(_folded, index.held(cell or "")))
    tasks = []
    for (task, split), of_task in sentences.items():
        held = [text for folded, text in of_task.items() if folded in found]
        tasks.append(
            {
                "task": task,
                "split": split,
                "n_sentences": len(of_task),
                "n_found": len(held),
                "examples": held[:_MOST_EXAMPLES],
            }
        )
    return {
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "n_rows": n_rows,
        "tasks": tasks,
    }


def _folded(text: str) -> str:
    return " ".join(tokens(text))


def find_corpus(
    encoder: str | Path, facts: EncoderFacts, given: str | None = None
) -> Corpus | None:
    """Open what an encoder was aligned on: the columns that it took, without the rows that it held out.

    Args:
        encoder: Its name or folder, whose `run.json` says which corpus, columns and rows were
            taken.
        facts: What `describe` says of it.
        given: Where the corpus lies now; by default where it lay then, if it is still there and
            still the same.

    Returns:
        The corpus; None for an encoder that was not aligned, or where nothing is given and nothing
        found.

    Raises:
        InputError: The corpus given cannot be read, or is not the one that the encoder was aligned
            on.
    """
    expected = facts.training.get("corpus_sha256")
    if expected is None:
        if given is not None:
            raise InputError(
                f"{encoder}: was not aligned by hexapla, so that no corpus can be its own; "
                "leave --corpus out"
            )
        return None
    folder = locate(encoder)
    config = read_record(folder).get("config", {}) if folder is not None else {}
    source = given if given is not None else config.get("corpus")
    if not isinstance(source, str):
        return None
    languages = config.get("languages") or facts.training.get("languages")
    try:
        corpus = open_corpus(source, languages=languages).split(
            float(config.get("held_out") or 0.0)
        )[0]
    except InputError:
        if given is not None:
            raise
        return None  # moved or changed since; the caller says that nothing was checked
    if corpus.sha256 == expected:
        return corpus
    if given is not None:
        raise InputError(
            f"{given} has the hash {corpus.sha256[:8]} with {', '.join(corpus.languages)}, and {encoder} was "
            f"aligned on {facts.corpus} ({expected[:8]}); give the corpus that it was aligned on"
        )
    return None


def read_overlap(folder: Path) -> Overlap | None:
    """Read the `contamination.json` of a score folder; None where there is none, which means not checked.

    Raises:
        InputError: It is damaged.
    """
    path = folder / CONTAMINATION_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        tasks = tuple(
            TaskOverlap(
                str(one["task"]),
                str(one["split"]),
                int(one["n_sentences"]),
                int(one["n_found"]),
                tuple(map(str, one["examples"])),
            )
            for one in found["tasks"]
        )
        return Overlap(str(found["corpus"]), str(found["corpus_sha256"]), tasks)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged ({type(error).__name__}: {error}); evaluate again"
        ) from error
