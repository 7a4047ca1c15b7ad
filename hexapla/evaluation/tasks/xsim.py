"""LASER's error rates of retrieving English: xsim, and xsim++ with altered English in the pool.

xSIM is the error rate of retrieval by margin as `source/xsim.py` of facebookresearch/LASER defines
it. Of the four targets with the highest cosine, the one with the highest ratio margin (Artetxe and
Schwenk 2019, arXiv 1811.01136) is retrieved; it is an error if its text differs from that of the
right target. One minus the `margin_accuracy` of bitext is another number: there all targets
compete, and rows with equal texts are different targets. xSIM++ (Chen et al. 2023, arXiv
2306.12907) adds altered versions of the English sentences to the targets. Ours are made by rules
(see `alterations`), so that values of xsim compare with LASER's on the same sentences, and values
of xsim++ do not.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hexapla.errors import InputError
from hexapla.evaluation.alterations import VERSION, alter_sentences
from hexapla.evaluation.retrieval import NEIGHBOURS
from hexapla.evaluation.tasks.inputs import filled
from hexapla.evaluation.tasks.protocol import ENGLISH, ColumnTask, Key, Measurement
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluation.tasks.protocol import Embed

# Cosines in memory at once, 64 MiB of float32.
_BLOCK_ENTRIES = 2**24

# Shapes below: S source rows, T target rows (T >= S), B sources of one block, D dimensions, K
# neighbours.


def retrieve_by_margin(
    source_SD: NDArray[np.float32], target_TD: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Search for every source: the four nearest targets by cosine, and of these the best by margin.

    Args:
        source_SD: (n, dim) unit vectors, at least four.
        target_TD: (m, dim) unit vectors, at least four.

    Returns:
        (n,) index of the retrieved target. The ratio margin of x and y is `cosine / (mean of the 4
        highest cosines of x / 2 + the same of y / 2)`; the neighbours of a target are sources.
    """
    import torch

    source, target = torch.from_numpy(source_SD), torch.from_numpy(target_TD)
    near_SK, near_cosine_SK = [], []
    top_KT = torch.empty(0, len(target))
    for source_BD in torch.split(source, max(1, _BLOCK_ENTRIES // len(target))):
        cosine_BT = source_BD @ target.T
        cosine_BK, near_BK = cosine_BT.topk(NEIGHBOURS, dim=1)
        near_SK.append(near_BK)
        near_cosine_SK.append(cosine_BK)
        candidates = torch.cat(
            [top_KT, cosine_BT.topk(min(NEIGHBOURS, len(cosine_BT)), dim=0).values]
        )
        top_KT = candidates.topk(min(NEIGHBOURS, len(candidates)), dim=0).values
    near, near_cosine = torch.cat(near_SK), torch.cat(near_cosine_SK)
    around = (near_cosine.mean(dim=1, keepdim=True) + top_KT.mean(dim=0)[near]) / 2
    best = (near_cosine / around).argmax(dim=1, keepdim=True)
    found_S: NDArray[np.int64] = near.gather(1, best)[:, 0].numpy()
    return found_S


def xsim_errors(
    source_SD: NDArray[np.float32], target_TD: NDArray[np.float32], target_texts: Sequence[str]
) -> NDArray[np.float64]:
    """Mark the sources for which a wrong text is retrieved.

    Args:
        source_SD: (n, dim) unit vectors.
        target_TD: (m, dim) unit vectors; row i is the right target of source i, and rows from n on
            are wrong for every source.
        target_texts: The m texts. A target with the text of the right one is right, too.

    Returns:
        (n,) 1.0 for an error; the mean is the error rate, lower is better.
    """
    found_S = retrieve_by_margin(source_SD, target_TD)
    return np.array(
        [float(target_texts[found] != target_texts[row]) for row, found in enumerate(found_S)]
    )


@dataclass(frozen=True, kw_only=True)
class XsimTask(ColumnTask):
    """English and the columns that search it; `xsim/NAME` in scores.

    Raises:
        InputError: There is no English, or nothing besides it, or a language has too few rows in
            common with it.
    """

    is_derived: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check that every language can search English."""
        if ENGLISH not in self.cells or len(self.cells) < 2:
            raise InputError(
                f"xsim/{self.name}: has {', '.join(self.cells)}; {ENGLISH} and another language "
                "are needed"
            )
        for code, rows in self._rows.items():
            if len(rows) < NEIGHBOURS:
                raise InputError(
                    f"xsim/{self.name}: {len(rows)} rows have both {code} and {ENGLISH}; at least "
                    f"{NEIGHBOURS} are needed, the neighbourhood of the margin score"
                )

    @property
    def keys(self) -> list[Key]:
        """Return every language but English, paired with English."""
        return [(f"xsim/{self.name}", codes.pair(code, ENGLISH)) for code in self._rows]

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        """The rows that also have English, by language."""
        return {
            code: filled(self.cells[ENGLISH], cells)
            for code, cells in self.cells.items()
            if code != ENGLISH
        }

    @cached_property
    def _altered(self) -> dict[str, list[str]]:
        """Altered versions by English sentence, the same for every language that searches it."""
        searched = set().union(*self._rows.values())
        return alter_sentences(self.cell_texts(ENGLISH, sorted(searched)))

    def texts(self) -> Iterator[Sequence[str]]:
        """Yield the searching sentences, and the English ones with their altered versions."""
        for code, rows in self._rows.items():
            yield self.cell_texts(code, rows)
        for sentence, versions in self._altered.items():
            yield [sentence, *versions]

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Search English from every language, without and with its altered versions."""
        for key, (code, rows) in zip(self.keys, self._rows.items(), strict=True):
            if key in done:
                continue
            right = self.cell_texts(ENGLISH, rows)
            versions = [
                version for sentence in dict.fromkeys(right) for version in self._altered[sentence]
            ]
            source_SD, right_SD = embed(self.cell_texts(code, rows)), embed(right)
            target_TD = np.concatenate([right_SD, embed(versions)]) if versions else right_SD
            yield self.measurement(
                key,
                data_sha=self.data_sha,
                items=[self.items[row] for row in rows],
                columns={
                    "xsim": xsim_errors(source_SD, right_SD, right),
                    "xsim++": xsim_errors(source_SD, target_TD, right + versions),
                },
                settings={"k": NEIGHBOURS, "alterations": VERSION},
            )
