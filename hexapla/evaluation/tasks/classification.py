"""Sentences with a topic in several languages -> how well a few-shot classifier on their vectors does.

The probe is MTEB's: 10 times, 8 sentences of each label are drawn from train and a logistic
regression is fitted on their vectors. MTEB draws from the language that it tests. `zero-shot` fits
the same draws in English and tests another language, which is what alignment should help; its 10
fits are those of English itself and serve all languages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hexapla.corpus.reader import open_corpus
from hexapla.errors import InputError
from hexapla.evaluation.tasks.inputs import (
    Key,
    Measurement,
    Prompted,
    filled,
    read_cells,
    read_columns,
    short_sha,
)
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluation.tasks.inputs import Embed

# MTEB's own: n_experiments, samples_per_label and max_iter in its abstasks/classification.py. Its
# seed is 42.
N_DRAWS = 10
PER_LABEL = 8
_MAX_ITER = 100

_PIVOT = "eng_Latn"
_LABEL = "topic"


def few_shot_draws(
    labels: Sequence[str | int],
    *,
    n_draws: int = N_DRAWS,
    per_label: int = PER_LABEL,
    seed: int = 42,
) -> list[list[int]]:
    """Draw the rows to fit on, exactly as MTEB does: every draw shuffles the order that the last one left behind.

    Args:
        labels: The label of each row of train. A label with fewer rows gives all it has.
        n_draws: How many draws.
        per_label: Rows of each label in a draw.
        seed: Restarted for every draw, as in MTEB; the draws differ because the order that is
            shuffled does.
    """
    order = list(range(len(labels)))
    draws = []
    for _ in range(n_draws):
        np.random.RandomState(seed).shuffle(order)
        taken: Counter[str | int] = Counter()
        draw = []
        for row in order:
            if taken[labels[row]] < per_label:
                draw.append(row)
                taken[labels[row]] += 1
        draws.append(draw)
    return draws


def fit_probes(
    vectors: NDArray[np.float32],
    labels: Sequence[str | int],
    draws: Sequence[Sequence[int]],
    *,
    seed: int = 42,
) -> list[Any]:
    """Fit MTEB's logistic regression on each draw.

    Args:
        vectors: (n, dim) vectors of train; only the rows in the draws are used.
        labels: The n labels.
        draws: Rows of each draw.
        seed: Of the regression; without effect on the default solver.
    """
    from sklearn.linear_model import LogisticRegression

    return [
        LogisticRegression(max_iter=_MAX_ITER, random_state=seed).fit(
            vectors[list(draw)], [labels[row] for row in draw]
        )
        for draw in draws
    ]


def correctness(
    probes: Sequence[Any], vectors: NDArray[np.float32], labels: Sequence[str | int]
) -> NDArray[np.float64]:
    """Return the share of the probes that name its label for each of the (n, dim) vectors; the mean is the accuracy."""
    right = np.array(
        [probe.predict(vectors) == np.array(labels) for probe in probes], dtype=np.float64
    )
    shares: NDArray[np.float64] = right.mean(axis=0)
    return shares


@dataclass(frozen=True, kw_only=True)
class Side:
    """One language in one of the two files, empty cells left out."""

    rows: Sequence[int]
    texts: Sequence[str]
    labels: Sequence[str | int]


@dataclass(frozen=True, kw_only=True)
class TopicsTask:
    """A train file and a test file with topics, in several languages.

    Attributes:
        kind: `topics` in the task names `topics/sib200` and `topics-zero-shot/sib200`.
        name: `sib200` in them.
        split: As `Score.split`.
        data_sha: Start of the hash of both files.
        train: By language; only the rows that are in a draw.
        draws: By language, into its `train`.
        test: By language.
        per_label: Sentences of each label in a draw.
        seed: Of the draws.
    """

    kind: str = "topics"
    name: str
    split: str
    data_sha: str
    train: Mapping[str, Side]
    draws: Mapping[str, Sequence[Sequence[int]]]
    test: Mapping[str, Side]
    per_label: int = PER_LABEL
    seed: int

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages that are measured."""
        return tuple(self.test)

    @property
    def keys(self) -> list[Key]:
        """Name what is measured; English first, whose probes serve the others."""
        ordered = sorted(self.test, key=lambda code: code != _PIVOT)
        return [key for code in ordered for key in self._keys(code)]

    def _keys(self, code: str) -> list[Key]:
        own = (f"{self.kind}/{self.name}", code)
        if code == _PIVOT or _PIVOT not in self.test:
            return [own]
        return [own, (f"{self.kind}-zero-shot/{self.name}", codes.pair(_PIVOT, code))]

    def prompted(self) -> Iterator[Prompted]:
        """Name the texts to embed: of train only what is drawn."""
        for side in (*self.train.values(), *self.test.values()):
            yield Prompted(kind="Classification", texts=side.texts)

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Fit and test every language, and test the English probes on it, but for what is done."""
        from threadpoolctl import threadpool_limits

        english: list[Any] = []
        for key in self.keys:
            if key in done:
                continue
            code = key[1].split("-")[-1]
            # A fit on 56 rows takes 2 ms on one thread; with more, threads that wait for each other
            # made it up to 40.
            with threadpool_limits(1):
                if key[1] == code:
                    probes = self._probes(embed, code)
                    english = probes if code == _PIVOT else english
                else:
                    probes = english = english or self._probes(embed, _PIVOT)
                accuracy = correctness(probes, embed(self.test[code].texts), self.test[code].labels)
            yield self._measurement(key, self.test[code], accuracy)

    def _probes(self, embed: Embed, code: str) -> list[Any]:
        train = self.train[code]
        return fit_probes(embed(train.texts), train.labels, self.draws[code], seed=self.seed)

    def _measurement(self, key: Key, test: Side, accuracy: NDArray[np.float64]) -> Measurement:
        return Measurement(
            task=key[0],
            split=self.split,
            languages=key[1],
            data_sha=self.data_sha,
            items=[str(row) for row in test.rows],
            columns={"accuracy": accuracy},
            metrics={"accuracy": float(accuracy.mean())},
            settings={"draws": N_DRAWS, "per_label": self.per_label, "seed": self.seed},
        )


def read_topics(
    folder: str | Path,
    *,
    name: str,
    split: str = "test",
    languages: Sequence[str] | None = None,
    seed: int = 42,
) -> list[TopicsTask]:
    """Read `train.parquet` and `test.parquet`, each with the column `topic` and language columns.

    Args:
        folder: The folder.
        name: The task's name.
        split: The split's name.
        languages: The languages to use next to English, those that are not there aside; all by
            default.
        seed: Of the draws; 42 is MTEB's.

    Raises:
        InputError: A file or the column `topic` is missing, or a language lacks sentences in either
            file.
    """
    train_file, test_file = Path(folder) / "train.parquet", Path(folder) / "test.parquet"
    if lacking := [file.name for file in (train_file, test_file) if not file.is_file()]:
        raise InputError(
            f"{folder}: no {' and no '.join(lacking)}; topics are in a folder with both (see --help)"
        )
    topics = {file: read_columns(file, [_LABEL])[_LABEL] for file in (train_file, test_file)}
    train_corpus, test_corpus = open_corpus(train_file), open_corpus(test_file)
    chosen = [
        code
        for code in test_corpus.languages
        if code in train_corpus.languages
        and (languages is None or code in languages or code == _PIVOT)
    ]
    _, train_cells = read_cells(train_corpus, chosen)
    _, test_cells = read_cells(test_corpus, chosen)
    train, draws, test = {}, {}, {}
    for code in chosen:
        whole = _side(train_cells[code], topics[train_file])
        if len(set(whole.labels)) < 2:
            raise InputError(
                f"{train_file}: {code} has {len(set(whole.labels))} topics; at least 2 are needed"
            )
        train[code], draws[code] = only_drawn(whole, few_shot_draws(whole.labels, seed=seed))
        test[code] = _side(test_cells[code], topics[test_file])
        if not test[code].rows:
            raise InputError(f"{test_file}: {code} has no row with both a sentence and a topic")
    sha = short_sha(train_corpus.sha256, test_corpus.sha256, repr(list(topics.values())))
    return [
        TopicsTask(
            name=name, split=split, data_sha=sha, train=train, draws=draws, test=test, seed=seed
        )
    ]


def _side(cells: Sequence[str | None], topics: Sequence[object | None]) -> Side:
    rows = filled(cells, topics)
    return Side(
        rows=rows,
        texts=[text for row in rows if (text := cells[row]) is not None],
        labels=[str(topics[row]) for row in rows],
    )


def only_drawn(side: Side, draws: Sequence[Sequence[int]]) -> tuple[Side, list[list[int]]]:
    """Drop the rows that are in no draw (309 of SIB-200's 701), which then need not be embedded."""
    drawn = sorted(set().union(*draws))
    place = {row: position for position, row in enumerate(drawn)}
    kept = Side(
        rows=[side.rows[row] for row in drawn],
        texts=[side.texts[row] for row in drawn],
        labels=[side.labels[row] for row in drawn],
    )
    return kept, [[place[row] for row in draw] for draw in draws]
