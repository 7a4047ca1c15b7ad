"""Language identification by a linear probe: how much of the language is left in a vector.

Alignment should remove the language from vectors. One multinomial logistic regression is fitted on
half of the rows and predicts the languages of the other half. A row and its translations are in the
same half, so that the meaning of a sentence does not help. For a language-neutral encoder the
accuracy is that of chance, 1 / languages. It may well stay near 1 after alignment: that a language
can be read from a vector does not mean that it decides which vectors are near, which the mixed pool
measures.

All languages have equally many training rows. Otherwise the probe would predict a language of few
rows less often, and that language would seem neutral.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hexapla.errors import InputError
from hexapla.evaluation.tasks.inputs import filled, short_sha
from hexapla.evaluation.tasks.protocol import ColumnTask, Key, Measurement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluation.tasks.protocol import Embed

# Rows of a language to train and to test on; a language with fewer than MIN_ROWS of either is left
# out.
MAX_TRAIN_ROWS = 100
MAX_TEST_ROWS = 200
MIN_ROWS = 10

# A safeguard: on 30 languages x 100 rows of 768 dimensions the probe converges within 0.4 s on one
# thread.
_MAX_ITER = 1000

_log = logging.getLogger(__name__)


def identify_languages(
    train_ND: NDArray[np.float32],
    train_languages: Sequence[str],
    test_ND: NDArray[np.float32],
    test_languages: Sequence[str],
) -> NDArray[np.float64]:
    """Fit the probe on some vectors and predict the languages of others.

    Args:
        train_ND: (n, dim) vectors to fit on.
        train_languages: Their n languages, each equally often.
        test_ND: (m, dim) vectors to test on.
        test_languages: Their m languages.

    Returns:
        (m,) 1.0 where the prediction is right.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        probe = LogisticRegression(max_iter=_MAX_ITER).fit(train_ND, train_languages)
        predicted = probe.predict(test_ND)
    right: NDArray[np.float64] = (predicted == np.array(test_languages)).astype(np.float64)
    return right


@dataclass(frozen=True, kw_only=True)
class LanguageProbeTask(ColumnTask):
    """The columns of one corpus as the probe's classes; `language-identity/NAME` in scores.

    Attributes:
        seed: Seed of the halves. The half of a row depends only on its name and the seed.

    Raises:
        InputError: Fewer than two languages have enough rows in both halves.
    """

    seed: int = 42

    is_derived: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check that there are two languages, and log which ones are left out."""
        left_out = [code for code in self.cells if code not in self._halves]
        if len(self._halves) < 2:
            raise InputError(
                f"language-identity/{self.name}: {len(self._halves)} languages have {MIN_ROWS} "
                "rows or more in both halves; at least 2 are needed, and "
                f"{', '.join(left_out)} have too few rows"
            )
        if left_out:
            _log.info(
                "language-identity/%s: left out with fewer than %d rows in a half: %s",
                self.name,
                MIN_ROWS,
                ", ".join(left_out),
            )

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages that take part."""
        return tuple(self._halves)

    @property
    def keys(self) -> list[Key]:
        """Return every language that takes part."""
        return [(f"language-identity/{self.name}", code) for code in self._halves]

    @cached_property
    def _halves(self) -> dict[str, tuple[list[int], list[int]]]:
        """The rows to train and to test on, by language."""
        shuffled = sorted(
            range(len(self.items)), key=lambda row: short_sha(str(self.seed), self.items[row])
        )
        middle = len(shuffled) // 2
        halves = {}
        for code, column in self.cells.items():
            present = set(filled(column))
            train, test = (
                [row for row in half if row in present]
                for half in (shuffled[:middle], shuffled[middle:])
            )
            if min(len(train), len(test)) >= MIN_ROWS:
                halves[code] = (train, test[:MAX_TEST_ROWS])
        n_train = min([MAX_TRAIN_ROWS, *(len(train) for train, _ in halves.values())])
        return {code: (train[:n_train], test) for code, (train, test) in halves.items()}

    def _half(self, half: int) -> tuple[list[str], list[str]]:
        """Return the texts of one half, and their languages."""
        cells = [
            (text, code)
            for code, halves in self._halves.items()
            for text in self.cell_texts(code, halves[half])
        ]
        return [text for text, _ in cells], [code for _, code in cells]

    def texts(self) -> Iterator[Sequence[str]]:
        """Yield the training and the test sentences."""
        for half in (0, 1):
            yield self._half(half)[0]

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Fit one probe for all languages, unless all are done."""
        if all(key in done for key in self.keys):
            return
        (train, train_languages), (test, test_languages) = self._half(0), self._half(1)
        right = identify_languages(embed(train), train_languages, embed(test), test_languages)
        for key, (train_rows, test_rows) in zip(self.keys, self._halves.values(), strict=True):
            of_language, right = right[: len(test_rows)], right[len(test_rows) :]
            yield self.measurement(
                key,
                data_sha=self.data_sha,
                items=[self.items[row] for row in test_rows],
                columns={"identified": of_language},
                settings={
                    "train_rows": len(train_rows),
                    "seed": self.seed,
                    "languages": len(self._halves),
                },
            )
