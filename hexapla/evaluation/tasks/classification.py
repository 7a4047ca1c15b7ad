"""Classification: a few-shot classifier on the vectors of labelled sentences in several languages.

The probe is MTEB's: 10 times, 8 sentences of each label are drawn from train and a logistic
regression is fitted on their vectors. MTEB trains and tests in the same language. Zero-shot tests
another language with the 10 probes fitted on English, which is what alignment should improve.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.encoder.kind import Task
from hexapla.errors import InputError
from hexapla.evaluation.tasks.few_shot import (
    N_DRAWS,
    PER_LABEL,
    correctness,
    few_shot_draws,
    fit_probes,
)
from hexapla.evaluation.tasks.inputs import (
    filled,
    read_corpus_columns,
    read_table_columns,
    short_sha,
)
from hexapla.evaluation.tasks.protocol import ENGLISH, Key, Measurement, NamedTask
from hexapla.text import languages as codes
from hexapla.text.special_files import refuse_special

if TYPE_CHECKING:
    from hexapla.evaluation.tasks.protocol import Embed

_LABEL = "topic"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LabelledTexts:
    """The labelled sentences of one language in train or test, without empty cells.

    Attributes:
        rows: Row of each sentence in its file.
        texts: The sentences.
        labels: Their labels.
    """

    rows: Sequence[int]
    texts: Sequence[str]
    labels: Sequence[str | int]


@dataclass(frozen=True, kw_only=True)
class ClassificationTask(NamedTask):
    """Labelled sentences in several languages, in a train and a test file.

    Attributes:
        kind: `topics` in the score's tasks `topics/sib200` and `topics-zero-shot/sib200`;
            `classification` for MTEB's tasks.
        data_sha: First digits of the hash of both files.
        train: Drawn sentences by language.
        draws: Rows of `train` in each draw, by language.
        test: Test sentences by language.
        per_label: Sentences of each label in a draw.
        seed: Seed of the draws.
    """

    kind: str = "topics"
    data_sha: str
    train: Mapping[str, LabelledTexts]
    draws: Mapping[str, Sequence[Sequence[int]]]
    test: Mapping[str, LabelledTexts]
    per_label: int = PER_LABEL
    seed: int

    task_type: ClassVar[Task] = "Classification"

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages with test sentences."""
        return tuple(self.test)

    @property
    def keys(self) -> list[Key]:
        """Return each language and its zero-shot test; English, whose probes serve all, first."""
        ordered = sorted(self.test, key=lambda code: code != ENGLISH)
        return [key for code in ordered for key in self._keys(code)]

    def _keys(self, code: str) -> list[Key]:
        own = (f"{self.kind}/{self.name}", code)
        if code == ENGLISH or ENGLISH not in self.test:
            return [own]
        return [own, (f"{self.kind}-zero-shot/{self.name}", codes.pair(ENGLISH, code))]

    def texts(self) -> Iterator[Sequence[str]]:
        """Yield the test sentences, and of train those that are drawn."""
        for part in (*self.train.values(), *self.test.values()):
            yield part.texts

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Fit and test the probes of every language, and test the English ones on it."""
        from threadpoolctl import threadpool_limits

        english: list[Any] = []
        for key in self.keys:
            if key in done:
                continue
            code = key[1].split("-")[-1]
            # A fit on 56 rows takes 2 ms on one thread, and up to 40 ms with more of them, which
            # wait for each other.
            with threadpool_limits(1):
                if key[1] == code:
                    probes = self._fit(embed, code)
                    english = probes if code == ENGLISH else english
                else:
                    probes = english = english or self._fit(embed, ENGLISH)
                test = self.test[code]
                accuracy = correctness(probes, embed(test.texts), test.labels)
            yield self.measurement(
                key,
                data_sha=self.data_sha,
                items=[str(row) for row in test.rows],
                columns={"accuracy": accuracy},
                settings={"draws": N_DRAWS, "per_label": self.per_label, "seed": self.seed},
            )

    def _fit(self, embed: Embed, code: str) -> list[Any]:
        train = self.train[code]
        return fit_probes(embed(train.texts), train.labels, self.draws[code], seed=self.seed)


def read_classification(
    folder: str | Path,
    *,
    name: str,
    split: str = "test",
    languages: Sequence[str] | None = None,
    seed: int = 42,
) -> list[ClassificationTask]:
    """Read `train.parquet` and `test.parquet`, each with a column `topic` and language columns.

    Args:
        folder: The folder with both files.
        name: Name of the task.
        split: Name of the split.
        languages: Languages to use besides English; those that the data lack are ignored. By
            default all.
        seed: Seed of the draws; 42 is MTEB's.

    Raises:
        InputError: A file or the column `topic` is missing, or a language lacks sentences in one
            of the files.
    """
    train_file, test_file = _files(folder)
    topics = {file: read_table_columns(file, [_LABEL])[_LABEL] for file in (train_file, test_file)}
    train_corpus, test_corpus = open_corpus(train_file), open_corpus(test_file)
    chosen = [
        code
        for code in _common(train_corpus, test_corpus)
        if languages is None or code in languages or code == ENGLISH
    ]
    _warn_of_gaps(train_corpus, test_corpus, topics[train_file], topics[test_file], test_file)
    _, train_cells = read_corpus_columns(train_corpus, chosen)
    _, test_cells = read_corpus_columns(test_corpus, chosen)
    train, draws, test = {}, {}, {}
    for code in chosen:
        whole = _label(train_cells[code], topics[train_file])
        if len(set(whole.labels)) < 2:
            raise InputError(
                f"{train_file}: {code} has {len(set(whole.labels))} topics; at least 2 are needed"
            )
        train[code], draws[code] = keep_drawn(whole, few_shot_draws(whole.labels, seed=seed))
        test[code] = _label(test_cells[code], topics[test_file])
        if not test[code].rows:
            raise InputError(f"{test_file}: {code} has no row with both a sentence and a topic")
    sha = short_sha(train_corpus.sha256, test_corpus.sha256, repr(list(topics.values())))
    return [
        ClassificationTask(
            name=name, split=split, data_sha=sha, train=train, draws=draws, test=test, seed=seed
        )
    ]


def classification_languages(folder: str | Path) -> list[str]:
    """Return the languages that both files have, without reading their texts.

    Raises:
        InputError: A file is missing or cannot be read.
    """
    return _common(*(open_corpus(file, verify=False) for file in _files(folder)))


def _files(folder: str | Path) -> tuple[Path, Path]:
    train_file, test_file = Path(folder) / "train.parquet", Path(folder) / "test.parquet"
    refuse_special(train_file)
    refuse_special(test_file)
    if missing := [file.name for file in (train_file, test_file) if not file.is_file()]:
        raise InputError(
            f"{folder}: no {' and no '.join(missing)}; topics are a folder with train.parquet and "
            "test.parquet"
        )
    return train_file, test_file


def _common(train: Corpus, test: Corpus) -> list[str]:
    return [code for code in test.languages if code in train.languages]


def _warn_of_gaps(
    train: Corpus,
    test: Corpus,
    train_topics: Sequence[object],
    test_topics: Sequence[object],
    test_file: Path,
) -> None:
    """Name the languages of test that cannot be measured, and its topics that no probe can know."""
    if absent := [code for code in test.languages if code not in train.languages]:
        _log.warning(
            "%s: %s is left out, since train.parquet has no such column",
            test_file,
            ", ".join(absent),
        )
    known = {*train_topics, None}
    unknown = [name for topic in test_topics if topic not in known and (name := str(topic).strip())]
    if unknown:
        _log.warning(
            "%s: %d of %d rows have a topic of which train.parquet has no row (%s), and always "
            "count as errors",
            test_file,
            len(unknown),
            len(test_topics),
            ", ".join(sorted(set(unknown))),
        )


def _label(cells: Sequence[str | None], topics: Sequence[object | None]) -> LabelledTexts:
    rows = filled(cells, topics)
    return LabelledTexts(
        rows=rows,
        texts=[text for row in rows if (text := cells[row]) is not None],
        labels=[str(topics[row]) for row in rows],
    )


def keep_drawn(
    train: LabelledTexts, draws: Sequence[Sequence[int]]
) -> tuple[LabelledTexts, list[list[int]]]:
    """Drop the sentences in no draw, 309 of SIB-200's 701, so that they are not embedded.

    Returns:
        The drawn sentences, and the draws as rows of these.
    """
    drawn = sorted(set().union(*draws))
    place = {row: position for position, row in enumerate(drawn)}
    kept = LabelledTexts(
        rows=[train.rows[row] for row in drawn],
        texts=[train.texts[row] for row in drawn],
        labels=[train.labels[row] for row in drawn],
    )
    return kept, [[place[row] for row in draw] for draw in draws]
