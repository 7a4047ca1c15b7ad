"""MTEB's tasks: which of them form a suite, and the languages of their subsets and columns.

The languages come from a table, `data/mteb_subsets.tsv`, not from MTEB's metadata: its tasks write
Chinese as cmn, zho or cmo, two of its tags name the wrong script, and its language filter also
selects pairs with other languages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hexapla.errors import InputError, did_you_mean

TABLE = "mteb_subsets.tsv"

BITEXT = (
    "Tatoeba",
    "BUCC.v2",
    "FloresBitextMining",
    "NTREXBitextMining",
    "IN22GenBitextMining",
    "BibleNLPBitextMining",
    "NusaXBitextMining",
)
STS = ("STS17", "STS22.v2", "STSBenchmarkMultilingualSTS", "SemRel24STS", "IndicCrosslingualSTS")
CLASSIFICATION = (
    "MassiveIntentClassification",
    "MassiveScenarioClassification",
    "MTOPDomainClassification",
    "MTOPIntentClassification",
    "AmazonCounterfactualClassification",
    "AmazonReviewsClassification",
    "SIB200Classification",
    "NusaX-senti",
)
TASKS = (*BITEXT, *STS, *CLASSIFICATION)
SUITES: Mapping[str, tuple[str, ...]] = {
    "paper": TASKS,
    "bitext": BITEXT,
    "sts": STS,
    "classification": CLASSIFICATION,
    "quick": ("Tatoeba", "STSBenchmarkMultilingualSTS", "SIB200Classification"),
}
# Suites on the user's data; `dev` and `test` need a folder with the data of several tasks.
OWN_SUITES = ("bitext", "xsim", "sts", "topics", "dev", "test")
# What is measured with a suite on the user's data, and has no suite of its own.
_MEASURED_WITH = {
    "pool": "bitext",
    "language-identity": "bitext",
    "xsim++": "xsim",
    "sts-across": "sts",
    "topics-zero-shot": "topics",
}
# The evaluated split, where it is not `test`.
SPLITS = {
    "FloresBitextMining": "devtest",
    "BibleNLPBitextMining": "train",
    "NusaXBitextMining": "train",
}
# Tasks whose languages are columns of one table, MTEB's `parallel_subsets`.
PARALLEL = ("FloresBitextMining", "NTREXBitextMining", "IN22GenBitextMining")


@dataclass(frozen=True, slots=True)
class Subset:
    """A subset of a task, or a column of a parallel task, and its one or two languages."""

    name: str
    languages: tuple[str, ...]


@lru_cache(maxsize=1)
def task_subsets() -> Mapping[str, tuple[Subset, ...]]:
    """Return the subsets of each task."""
    from importlib import resources

    by_task: dict[str, list[Subset]] = {name: [] for name in TASKS}
    text = resources.files("hexapla").joinpath("data", TABLE).read_text(encoding="utf-8")
    for line in text.splitlines()[1:]:
        task, subset, languages = line.split("\t")
        by_task[task].append(Subset(subset, tuple(languages.split("-"))))
    return {task: tuple(subsets) for task, subsets in by_task.items()}


def parse_suite(suite: str) -> tuple[str, ...]:
    """Return the tasks of a suite, or of a list of suites and tasks with commas.

    >>> parse_suite("quick")
    ('Tatoeba', 'STSBenchmarkMultilingualSTS', 'SIB200Classification')

    Raises:
        InputError: A name is neither a suite nor a task.
    """
    names: dict[str, None] = {}
    for item in (item.strip() for item in suite.split(",")):
        if suite_of := _MEASURED_WITH.get(item):
            raise InputError(f'"{item}" is measured with {suite_of}; give --suite {suite_of}')
        if item not in (*SUITES, *TASKS):
            hint = did_you_mean(item, (*SUITES, *TASKS, *OWN_SUITES))
            raise InputError(
                f'"{item}" is neither a suite nor a task{hint}; suites of MTEB\'s tasks: '
                f"{', '.join(SUITES)}; tasks: {', '.join(TASKS)}; suites on data of your own: "
                f"{', '.join(OWN_SUITES)}"
            )
        names.update(dict.fromkeys(SUITES.get(item, (item,))))
    return tuple(names)


def task_languages(names: Sequence[str]) -> tuple[str, ...]:
    """Return all languages of some tasks, sorted."""
    subsets = [subset for name in names for subset in task_subsets()[name]]
    return tuple(sorted({code for subset in subsets for code in subset.languages}))
