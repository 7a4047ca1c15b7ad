"""Which of MTEB's tasks make a suite, and which subset or column of a task is which language or pair of languages.

The decision worth knowing: the languages stand in a table, `data/mteb_subsets.tsv`. MTEB's tasks
write Chinese as cmn, zho or cmo, two of their tags name the wrong script, and MTEB's language
filter drags other pairs in.
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
)
TASKS = (*BITEXT, *STS, *CLASSIFICATION)
SUITES: Mapping[str, tuple[str, ...]] = {
    "paper": TASKS,
    "bitext": BITEXT,
    "sts": STS,
    "classification": CLASSIFICATION,
    "quick": ("Tatoeba", "STSBenchmarkMultilingualSTS", "SIB200Classification"),
}
# On data of the user's own, or on a folder that holds all that `dev` and `test` measure.
OWN_SUITES = ("bitext", "xsim", "sts", "topics", "dev", "test")
# The split that is measured, where it is not `test`.
SPLITS = {"FloresBitextMining": "devtest", "BibleNLPBitextMining": "train"}
SIDE_BY_SIDE = ("FloresBitextMining", "NTREXBitextMining", "IN22GenBitextMining")


@dataclass(frozen=True, slots=True)
class Subset:
    """One subset of a task, or one column of a task whose languages lie side by side, and its one or two languages."""

    name: str
    languages: tuple[str, ...]


@lru_cache(maxsize=1)
def table() -> Mapping[str, tuple[Subset, ...]]:
    """Return the subsets of each task."""
    from importlib import resources

    found: dict[str, list[Subset]] = {name: [] for name in TASKS}
    text = resources.files("hexapla").joinpath("data", TABLE).read_text(encoding="utf-8")
    for line in text.splitlines()[1:]:
        task, subset, languages = line.split("\t")
        found[task].append(Subset(subset, tuple(languages.split("-"))))
    return {task: tuple(subsets) for task, subsets in found.items()}


def parse_suite(suite: str) -> tuple[str, ...]:
    """Return the tasks of a suite, or those that a list with commas names.

    >>> parse_suite("quick")
    ('Tatoeba', 'STSBenchmarkMultilingualSTS', 'SIB200Classification')

    Raises:
        InputError: One is neither a suite nor a task; the nearest name is given.
    """
    names: dict[str, None] = {}
    for item in (item.strip() for item in suite.split(",")):
        if item not in (*SUITES, *TASKS):
            raise InputError(
                f'"{item}" is no suite and no task{did_you_mean(item, (*SUITES, *TASKS, *OWN_SUITES))}; suites of MTEB\'s '
                f"tasks: {', '.join(SUITES)}; tasks: {', '.join(TASKS)}; on data of your own: {', '.join(OWN_SUITES)}"
            )
        names.update(dict.fromkeys(SUITES.get(item, (item,))))
    return tuple(names)


def languages_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return all languages that the tasks have, sorted."""
    return tuple(
        sorted({code for name in names for subset in table()[name] for code in subset.languages})
    )
