"""Contamination: how many evaluation sentences of each task the training corpus contains.

A score on sentences that the encoder was aligned on says little about other sentences. The result
is saved as `contamination.json` in the score folder, so that a comparison can flag the task without
the corpus. `hexapla.corpus.contamination` does the search: a sentence is found if it equals a cell
except for case, punctuation and white space, or if a cell contains more than half of its 8-grams.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hexapla.corpus.contamination import Contamination
from hexapla.corpus.reader import Corpus
from hexapla.runs.schema import Count, Stored, read_object
from hexapla.text.words import tokens

CONTAMINATION_FILE = "contamination.json"
_MAX_EXAMPLES = 3


class TaskOverlap(NamedTuple):
    """The distinct sentences of one task, how many of them a corpus contains, and up to three."""

    task: str
    split: str
    n_sentences: int
    n_found: int
    examples: tuple[str, ...]


class Overlap(NamedTuple):
    """The evaluation sentences of all tasks that a corpus contains."""

    corpus: str
    corpus_sha256: str
    tasks: tuple[TaskOverlap, ...]


def corpus_overlap(
    corpus: Corpus, texts: Mapping[tuple[str, str], Iterable[str]]
) -> dict[str, Any]:
    """Search a corpus for evaluation sentences in one pass over its rows.

    Args:
        corpus: The corpus, with the columns and rows that were trained on.
        texts: Evaluation sentences by task and split, in any language. Sentences that differ only
            in case, punctuation and white space count once; a sentence of two tasks counts in both.

    Returns:
        The content of `contamination.json`: `corpus`, `corpus_sha256`, `n_rows` and `tasks`.
    """
    sentences = {
        key: {_fold(text): text.strip() for text in of_task} for key, of_task in texts.items()
    }
    for of_task in sentences.values():
        of_task.pop("", None)
    found, n_rows = _search(
        corpus, [text for of_task in sentences.values() for text in of_task.values()]
    )
    tasks = []
    for (task, split), of_task in sentences.items():
        held = [text for folded, text in of_task.items() if folded in found]
        tasks.append(
            {
                "task": task,
                "split": split,
                "n_sentences": len(of_task),
                "n_found": len(held),
                "examples": held[:_MAX_EXAMPLES],
            }
        )
    return {
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "n_rows": n_rows,
        "tasks": tasks,
    }


def _search(corpus: Corpus, sentences: Sequence[str]) -> tuple[set[str], int]:
    """Return the sentences that a corpus contains, folded, and its number of rows."""
    index = Contamination()
    if sentences:
        index.add_set("evaluation", sentences)
    found: set[str] = set()
    n_rows = 0
    for batch in corpus.batches():
        n_rows += batch.num_rows
        for language in corpus.languages:
            for cell in batch.column(language).to_pylist():
                found.update(map(_fold, index.held(cell or "")))
    return found, n_rows


def _fold(text: str) -> str:
    return " ".join(tokens(text))


class _TaskFacts(Stored):
    """A `TaskOverlap` as a file has it."""

    task: str
    split: str
    n_sentences: Count
    n_found: Count
    examples: list[str]


class _OverlapFacts(Stored):
    """An `Overlap` as a file has it."""

    corpus: str
    corpus_sha256: str
    tasks: list[_TaskFacts]


def read_overlap(folder: Path) -> Overlap | None:
    """Read the `contamination.json` of a score folder, or return None if nothing was checked.

    Raises:
        InputError: It is damaged.
    """
    path = folder / CONTAMINATION_FILE
    if not path.is_file():
        return None
    found = read_object(path, _OverlapFacts, "evaluate again")
    tasks = tuple(
        TaskOverlap(
            one["task"],
            one["split"],
            one["n_sentences"],
            one["n_found"],
            tuple(one["examples"]),
        )
        for one in found["tasks"]
    )
    return Overlap(found["corpus"], found["corpus_sha256"], tasks)
