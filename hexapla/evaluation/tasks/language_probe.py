"""Sentences in several languages -> how often a linear probe names the language of one from its vector alone.

Alignment should take the language out of a vector. One multinomial logistic regression is fitted on
one half of the rows and names the languages of the other half; no row has translations on both
sides, so that what a sentence says does not help. A language-neutral encoder comes down to chance,
1 / languages. An encoder may well stay near 1: that the language can be read off does not mean that
it decides who is near whom, which is what the pool measures.

The decision worth knowing: every language has the same number of rows to fit on. The probe would
name the others more often than a language of few rows, and it would pass for a neutral one.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hexapla.errors import InputError
from hexapla.evaluation.tasks.inputs import Key, Measurement, Prompted, filled, short_sha

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluation.tasks.inputs import Embed

logger = logging.getLogger(__name__)

# The most rows of a language on either side, and the fewest with which a language takes part.
TRAIN_ROWS = 100
TEST_ROWS = 200
FEWEST_ROWS = 10

# Only so that it ends: on 30 languages x 100 rows of 768 dimensions it converges within 0.4 s on
# one thread.
_MAX_ITER = 1000


def identified(
    train_ND: NDArray[np.float32],
    train_languages: Sequence[str],
    test_ND: NDArray[np.float32],
    test_languages: Sequence[str],
) -> NDArray[np.float64]:
    """Fit the probe on some cells and let it name the languages of others.

    Args:
        train_ND: (n, dim) vectors.
        train_languages: Their n languages, each equally often.
        test_ND: (m, dim) vectors.
        test_languages: Their m languages.

    Returns:
        (m,) 1.0 where the probe names the right language.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        probe = LogisticRegression(max_iter=_MAX_ITER).fit(train_ND, train_languages)
        named = probe.predict(test_ND)
    right: NDArray[np.float64] = (named == np.array(test_languages)).astype(np.float64)
    return right


@dataclass(frozen=True, kw_only=True)
class LanguageTask:
    """The columns of one corpus, each a class of the probe.

    Attributes:
        name: `sib200` in the task name `language-identity/sib200`.
        split: As `Score.split`.
        data_sha: Start of the hash of the corpus.
        items: Name of each row; which half a row is in depends on its name and the seed alone.
        cells: Column by language.
        seed: Of the halves.

    Raises:
        InputError: When fewer than two languages have enough rows in both halves.
    """

    name: str
    split: str
    data_sha: str
    items: Sequence[str]
    cells: Mapping[str, Sequence[str | None]]
    seed: int = 42

    def __post_init__(self) -> None:
        """Check that there are languages to tell apart, and log which ones are left out."""
        left_out = [code for code in self.cells if code not in self._sides]
        if len(self._sides) < 2:
            raise InputError(
                f"language-identity/{self.name}: {len(self._sides)} languages have {FEWEST_ROWS} rows or more in both "
                f"halves; at least 2 are needed, and {', '.join(left_out)} have too few rows"
            )
        if left_out:
            logger.info(
                "language-identity/%s: left out with fewer than %d rows in a half: %s",
                self.name,
                FEWEST_ROWS,
                ", ".join(left_out),
            )

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages that are told apart."""
        return tuple(self._sides)

    @property
    def keys(self) -> list[Key]:
        """Name what is measured."""
        return [(f"language-identity/{self.name}", code) for code in self._sides]

    @cached_property
    def _sides(self) -> dict[str, tuple[list[int], list[int]]]:
        """The rows to fit on and to test, by language."""
        shuffled = sorted(
            range(len(self.items)), key=lambda row: short_sha(str(self.seed), self.items[row])
        )
        half = len(shuffled) // 2
        sides = {}
        for code, column in self.cells.items():
            present = set(filled(column))
            train, test = (
                [row for row in side if row in present]
                for side in (shuffled[:half], shuffled[half:])
            )
            if min(len(train), len(test)) >= FEWEST_ROWS:
                sides[code] = (train, test[:TEST_ROWS])
        n_train = min([TRAIN_ROWS, *(len(train) for train, _ in sides.values())])
        return {code: (train[:n_train], test) for code, (train, test) in sides.items()}

    def _texts(self, side: int) -> tuple[list[str], list[str]]:
        """Return the texts of one side, and their languages."""
        cells = [
            (self.cells[code][row], code)
            for code, sides in self._sides.items()
            for row in sides[side]
        ]
        return [text for text, _ in cells if text is not None], [code for _, code in cells]

    def prompted(self) -> Iterator[Prompted]:
        """Name the texts to embed."""
        for side in (0, 1):
            yield Prompted(kind="BitextMining", texts=self._texts(side)[0])

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Fit one probe for all languages, unless all are done."""
        if all(key in done for key in self.keys):
            return
        (train, train_languages), (test, test_languages) = self._texts(0), self._texts(1)
        right = identified(embed(train), train_languages, embed(test), test_languages)
        for code, (train_rows, test_rows) in self._sides.items():
            of_language, right = right[: len(test_rows)], right[len(test_rows) :]
            yield Measurement(
                task=f"language-identity/{self.name}",
                split=self.split,
                languages=code,
                data_sha=self.data_sha,
                items=[self.items[row] for row in test_rows],
                columns={"identified": of_language},
                metrics={"identified": float(of_language.mean())},
                settings={
                    "train_rows": len(train_rows),
                    "seed": self.seed,
                    "languages": len(self._sides),
                },
            )
