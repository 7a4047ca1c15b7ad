"""How much of the language a vector still tells: a linear probe that names it. Lower is better; chance is one in n.

The rows that the probe is trained on and those that it is tested on are different rows, so that it cannot know a
sentence from its translation.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hexapla.evaluate.inputs import Key, Measurement, Prompted

if TYPE_CHECKING:
    from hexapla.evaluate.inputs import Embed

# Rows of each language. More of them hardly move the probe: 30 languages x 100 rows are 3,000 vectors.
N_TRAIN, N_TEST = 100, 200
_SEED = 42


@dataclass(frozen=True, kw_only=True)
class LanguageTask:
    """The cells of a multi-way task, to be told apart by language.

    Attributes:
        name: `sib200` in the task name `language-identity/sib200`.
        split: As `Score.split`.
        data_sha: Start of the hash of the data.
        items: Name of each row.
        cells: Column by language; two or more.
    """

    name: str
    split: str
    data_sha: str
    items: Sequence[str]
    cells: Mapping[str, Sequence[str | None]]

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages that are told apart."""
        return tuple(self.cells)

    @property
    def keys(self) -> list[Key]:
        """Name what is measured."""
        return [(f"language-identity/{self.name}", code) for code in self.cells]

    def prompted(self) -> Iterator[Prompted]:
        """Name the texts to embed."""
        for texts in self.cells.values():
            yield Prompted(kind="BitextMining", texts=[text for text in texts if text is not None])

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Fit the probe on half of the rows, and test it on the others; all languages or none.

        The metric `identified` is the share of a language's test cells whose language the probe names.
        """
        if all(key in done for key in self.keys):
            return
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        order = np.random.default_rng(_SEED).permutation(len(self.items))
        train_rows, test_rows = order[: len(order) // 2], order[len(order) // 2 :]
        train = [
            (code, text)
            for code, column in self.cells.items()
            for text in [column[row] for row in train_rows if column[row] is not None][:N_TRAIN]
        ]
        # Not L-BFGS's own tolerance: 200 steps on unit vectors leave the accuracy as it is to the third digit.
        probe = LogisticRegression(max_iter=200, C=10.0)
        with threadpool_limits(2):
            probe.fit(embed([str(text) for _, text in train]), [code for code, _ in train])
        for code, column in self.cells.items():
            rows = [row for row in test_rows if column[row] is not None][:N_TEST]
            named = probe.predict(embed([str(column[row]) for row in rows]))
            identified = (named == code).astype(np.float64)
            yield Measurement(
                task=f"language-identity/{self.name}",
                split=self.split,
                languages=code,
                data_sha=self.data_sha,
                items=[self.items[row] for row in rows],
                columns={"identified": identified},
                metrics={"identified": float(identified.mean())},
                settings={"languages_told_apart": ",".join(self.cells), "train": N_TRAIN, "seed": _SEED},
            )
