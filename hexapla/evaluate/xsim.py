"""LASER's xsim: the share of sentences whose nearest English one, by margin, is not their translation; and xsim++.

The definition is that of `source/xsim.py` in facebookresearch/LASER: cosine, the k = 4 nearest targets of each source,
the ratio margin among these four, and an error where the chosen target's *text* is not the translation's. In xsim++
(Chen et al. 2023, arXiv 2306.12907) altered English sentences are targets too. Lower is better.

Shapes: S source rows, T target rows, K neighbours, D dimensions.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hexapla import languages as codes
from hexapla.evaluate.alterations import VERSION, altered
from hexapla.evaluate.inputs import Key, Measurement, Prompted, filled
from hexapla.evaluate.retrieval import NEIGHBOURS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hexapla.evaluate.inputs import Embed

_PIVOT = "eng_Latn"


def chosen_targets(
    source_SD: NDArray[np.float32], target_TD: NDArray[np.float32], k: int = NEIGHBOURS
) -> NDArray[np.int64]:
    """Return (S,) the target of the greatest ratio margin among the k nearest of each source.

    Args:
        source_SD: (S, dim) unit vectors.
        target_TD: (T, dim) unit vectors, T at least k.
        k: Neighbours, also in the mean of a target over the sources.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.inference_mode():
        cosine_ST = torch.from_numpy(source_SD).to(device) @ torch.from_numpy(target_TD).to(device).T
        nearest_SK, target_SK = cosine_ST.topk(k, dim=1)
        target_mean_T = cosine_ST.topk(k, dim=0).values.mean(dim=0)
        margin_SK = nearest_SK / ((nearest_SK.mean(dim=1, keepdim=True) + target_mean_T[target_SK]) / 2)
        best_S = margin_SK.argmax(dim=1, keepdim=True)
        chosen: NDArray[np.int64] = target_SK.gather(1, best_S)[:, 0].cpu().numpy()
    return chosen


@dataclass(frozen=True, kw_only=True)
class XsimTask:
    """Every language against English, alone and with altered English sentences in between.

    Attributes:
        name: `sib200` in the task name `xsim/sib200`.
        split: As `Score.split`.
        data_sha: Start of the hash of the data.
        items: Name of each row.
        cells: Column by language, English among them.
    """

    name: str
    split: str
    data_sha: str
    items: Sequence[str]
    cells: Mapping[str, Sequence[str | None]]

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages that are measured, and English."""
        return tuple(self.cells)

    @property
    def keys(self) -> list[Key]:
        """Name what is measured."""
        return [(f"xsim/{self.name}", codes.pair(code, _PIVOT)) for code in self.cells if code != _PIVOT]

    @cached_property
    def altered(self) -> list[str]:
        """Return the altered sentences of all English ones."""
        return altered([text for text in self.cells[_PIVOT] if text is not None])

    def prompted(self) -> Iterator[Prompted]:
        """Name the texts to embed."""
        for texts in self.cells.values():
            yield Prompted(kind="BitextMining", texts=[text for text in texts if text is not None])
        yield Prompted(kind="BitextMining", texts=self.altered)

    def measure(self, embed: Embed, done: Container[Key] = ()) -> Iterator[Measurement]:
        """Search English from every language that is not done."""
        for key in self.keys:
            if key in done:
                continue
            code = key[1].split("-")[0]
            rows = filled(self.cells[code], self.cells[_PIVOT])
            english = [str(self.cells[_PIVOT][row]) for row in rows]
            source_SD = embed([str(self.cells[code][row]) for row in rows])
            columns = {}
            for metric, targets in (("xsim", english), ("xsim++", [*english, *self.altered])):
                chosen = chosen_targets(source_SD, embed(targets))
                wrong = [targets[target] != right for target, right in zip(chosen.tolist(), english, strict=True)]
                columns[metric] = np.array(wrong, dtype=np.float64)
            yield Measurement(
                task=key[0],
                split=self.split,
                languages=key[1],
                data_sha=self.data_sha,
                items=[self.items[row] for row in rows],
                columns=columns,
                metrics={metric: float(values.mean()) for metric, values in columns.items()},
                settings={"k": NEIGHBOURS, "alterations": f"{VERSION}/{len(self.altered)}"},
            )
