"""Every language searching English -> LASER's error rates: xsim, and xsim++ with altered English in the pool.

xSIM is the error of retrieval by margin, as `source/xsim.py` of facebookresearch/LASER defines it:
of the four targets of highest cosine the one of highest ratio margin (Artetxe and Schwenk 2019,
arXiv 1811.01136) is found, and it is an error if its text is not that of the right one. It differs
from one minus `margin_accuracy` of bitext in both: there all targets compete, and rows with equal
texts are apart. xSIM++ (Chen et al. 2023, arXiv 2306.12907) adds altered versions of the English
sentences to the targets. Ours are made by rule (see `alterations`): values of xsim compare with
LASER's on the same sentences, values of xsim++ do not.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hexapla.errors import InputError
from hexapla.evaluation.alterations import VERSION, altered
from hexapla.evaluation.retrieval import NEIGHBOURS
from hexapla.evaluation.tasks.inputs import Key, Measurement, Prompted, filled
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluation.tasks.inputs import Embed

_PIVOT = "eng_Latn"

# Cosines held at once, 64 MiB of float32.
_BLOCK_ENTRIES = 2**24

# Shapes below: S source rows, T target rows (T >= S), B sources of one block, D dimensions, K
# neighbours.


def found_by_margin(
    source_SD: NDArray[np.float32], target_TD: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Search the target for every source, by cosine first and by margin among the four that this finds.

    Args:
        source_SD: (n, dim) unit vectors, at least four.
        target_TD: (m, dim) unit vectors, at least four.

    Returns:
        (n,) the target with the highest ratio margin, `cosine / (mean of the 4 highest cosines of x
        / 2 + the same of y / 2)`, of the four with the highest cosine. The neighbours of a target
        are sources.
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


def errors(
    source_SD: NDArray[np.float32], target_TD: NDArray[np.float32], target_texts: Sequence[str]
) -> NDArray[np.float64]:
    """Say for which sources a wrong text is found.

    Args:
        source_SD: (n, dim) unit vectors.
        target_TD: (m, dim) unit vectors; row i is the right answer of source i, and rows from n on
            are of none.
        target_texts: The m texts; what is found is right if its text is that of the right answer.

    Returns:
        (n,) 1.0 for an error; the mean is the error rate, lower is better.
    """
    found_S = found_by_margin(source_SD, target_TD)
    return np.array(
        [float(target_texts[found] != target_texts[row]) for row, found in enumerate(found_S)]
    )


@dataclass(frozen=True, kw_only=True)
class XsimTask:
    """English and the columns that search it.

    Attributes:
        name: `sib200` in the task name `xsim/sib200`.
        split: As `Score.split`.
        data_sha: Start of the hash of the corpus.
        items: Name of each row.
        cells: Column by language, English among them.

    Raises:
        InputError: When there is no English or nothing next to it, or a language has too few rows
            in common with it.
    """

    name: str
    split: str
    data_sha: str
    items: Sequence[str]
    cells: Mapping[str, Sequence[str | None]]

    def __post_init__(self) -> None:
        """Check that every language can search English."""
        if _PIVOT not in self.cells or len(self.cells) < 2:
            raise InputError(
                f"xsim/{self.name}: has {', '.join(self.cells)}; {_PIVOT} and another language are needed"
            )
        for code, rows in self._rows.items():
            if len(rows) < NEIGHBOURS:
                raise InputError(
                    f"xsim/{self.name}: {len(rows)} rows have both {code} and {_PIVOT}; at least {NEIGHBOURS} are "
                    "needed, the neighbourhood of the margin score"
                )

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages that are measured."""
        return tuple(self.cells)

    @property
    def keys(self) -> list[Key]:
        """Name what is measured."""
        return [(f"xsim/{self.name}", codes.pair(code, _PIVOT)) for code in self._rows]

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        """The rows that have English too, by language."""
        return {
            code: filled(self.cells[_PIVOT], cells)
            for code, cells in self.cells.items()
            if code != _PIVOT
        }

    @cached_property
    def _altered(self) -> dict[str, list[str]]:
        """Altered versions by English sentence, the same for every language that searches it."""
        searched = set().union(*self._rows.values())
        return altered(self._texts(_PIVOT, sorted(searched)))

    def _texts(self, code: str, rows: Sequence[int]) -> list[str]:
        return [text for row in rows if (text := self.cells[code][row]) is not None]

    def prompted(self) -> Iterator[Prompted]:
        """Name the texts to embed."""
        for code, rows in self._rows.items():
            yield Prompted(kind="BitextMining", texts=self._texts(code, rows))
        for sentence, versions in self._altered.items():
            yield Prompted(kind="BitextMining", texts=[sentence, *versions])

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Let every language that is not done search English, without and with altered versions of what it searches."""
        for (task, languages), (code, rows) in zip(self.keys, self._rows.items(), strict=True):
            if (task, languages) in done:
                continue
            right = self._texts(_PIVOT, rows)
            versions = [
                version for sentence in dict.fromkeys(right) for version in self._altered[sentence]
            ]
            source_SD, right_SD = embed(self._texts(code, rows)), embed(right)
            columns = {"xsim": errors(source_SD, right_SD, right)}
            target_TD = np.concatenate([right_SD, embed(versions)]) if versions else right_SD
            columns["xsim++"] = errors(source_SD, target_TD, right + versions)
            yield Measurement(
                task=task,
                split=self.split,
                languages=languages,
                data_sha=self.data_sha,
                items=[self.items[row] for row in rows],
                columns=columns,
                metrics={metric: float(values.mean()) for metric, values in columns.items()},
                settings={"k": NEIGHBOURS, "alterations": VERSION},
            )
