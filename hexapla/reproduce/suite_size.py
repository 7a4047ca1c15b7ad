"""What one evaluation on a suite of a recipe reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hexapla.errors import InputError
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.data import read_data
from hexapla.evaluation.fetch import data_source
from hexapla.evaluation.mteb_table import parse_suite, task_languages
from hexapla.reproduce.content_keys import hash_facts
from hexapla.reproduce.corpus_size import MEAN_CHARACTERS, CorpusSize
from hexapla.reproduce.experiments import CORPUS

_MEAN_SENTENCES = 20_000  # of a task and language whose data have not been read


@dataclass(frozen=True, kw_only=True)
class SuiteSize:
    """What one evaluation on a suite reads.

    Attributes:
        n_texts: Distinct sentences.
        n_characters: Mean number of characters of a sentence.
        tasks: Name, split and hash of the data of each task; none if the data are on the Hub or are
            rows of a corpus.
    """

    n_texts: int
    n_characters: float
    tasks: tuple[tuple[str, str, str], ...] = ()


def measure_suite(
    config: EvaluateConfig, sizes: Mapping[str, CorpusSize], note: Callable[[str], None]
) -> SuiteSize:
    """Read a suite's data, if they are on this machine, and return their size.

    Args:
        config: Settings of the suite.
        sizes: Sizes of the corpora, for a suite that is measured on them.
        note: Called with what could not be looked at.

    Raises:
        InputError: The data cannot be used, or no task has a language asked for.
    """
    if config.data == CORPUS:
        largest = max(sizes.values(), key=lambda size: size.n_rows)
        n_texts = round((config.share or 1.0) * largest.n_rows) * len(largest.languages)
        return SuiteSize(n_texts=n_texts, n_characters=largest.n_characters)
    if not config.is_mteb or config.data is not None:
        tasks = read_data(config).tasks
        texts = {text for task in tasks for group in task.texts() for text in group}
        return SuiteSize(
            n_texts=len(texts),
            n_characters=sum(map(len, texts)) / max(1, len(texts)),
            tasks=tuple(sorted({(task.name, task.split, task.data_sha) for task in tasks})),
        )
    names = parse_suite(config.suite)
    languages = task_languages(names)
    if absent := [code for code in config.languages or () if code not in languages]:
        raise InputError(f"no task of {config.suite} has {', '.join(absent)}")
    # A task has a part of the languages.
    n_texts = _MEAN_SENTENCES * len(names) * len(config.languages or languages) // 4
    note(f"the data of {config.suite} are on the Hub; {n_texts:,} sentences is a guess")
    return SuiteSize(n_texts=n_texts, n_characters=MEAN_CHARACTERS)


def suite_key(config: EvaluateConfig, size: SuiteSize) -> str:
    """Return the hash of what a suite measures: its settings, and its data or their revisions.

    Where the data lie is not part of it.
    """
    facts = config.identity()
    if size.tasks:
        facts["data"] = size.tasks
    elif config.data is None:
        facts["data"] = [data_source(task) for task in parse_suite(config.suite)]
    return hash_facts(facts)
