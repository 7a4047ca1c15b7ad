"""A plan -> what it will take, in time and on disk, told before it starts.

Time is arithmetic over what this machine can do: a training step costs 6, an encoding 2 operations
per weight and token outside the embeddings, and a matrix product, timed on the spot, says how many
of them it does in a second. A first finished cell is worth more than that, so what is left is told
from those as soon as there are any.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from hexapla.alignment.config import Regime
from hexapla.encoder.locate import cached_folder, locate
from hexapla.reproduce.corpora import build_key
from hexapla.reproduce.job import has_weights, is_evaluated
from hexapla.reproduce.matrix import BUILT, CORPORA, Cell, standing
from hexapla.reproduce.run_plan import Plan

# Of a large matrix product's speed, over whole cells: 30 of the tiny encoder, told as 68 minutes,
# took 62. Of larger encoders it is a guess.
_UTILISATION = 0.3
_CHARACTERS_A_TOKEN = 3.5
_EPOCHS_TO_CONVERGE = 15  # the tiny encoder took 7 to 29, more of more rows (docs/results.md)
_MIB_OF_SCORES = 5
_BASE_SHAPE = (
    12,
    768,
    278_000_000,
)  # layers, width, weights: of an encoder that could not be looked at
_OTHER_S = 5.0  # of a cell: loading, cards, checkpoints


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What cells will take.

    Attributes:
        n_cells: How many.
        seconds: Of all, one after another.
        n_workers: How many are done at once; on a machine of several GPUs that is a division.
        disk_mib: That they leave, and at most need on the way.
        n_translations: Sentences to translate, once for each language.
    """

    n_cells: int
    seconds: float
    n_workers: int
    disk_mib: float
    n_translations: int

    def lines(self) -> list[str]:
        """Return it as text."""
        once = f" ({self.n_workers} at once)" if self.n_workers > 1 else ""
        told = [
            f"{self.n_cells} cells to do: about {duration(self.seconds / self.n_workers)} on this machine{once}, "
            f"{self.disk_mib / 1024:,.1f} GiB of disk"
        ]
        if self.n_translations:
            told.append(
                f"{self.n_translations:,} translations before that, which are not in this time"
            )
        return told


def estimate_cells(
    plan: Plan, cells: Sequence[Cell], out: Path | None, *, n_workers: int, keep: bool
) -> Estimate:
    """Say what cells will take, but for what stands in `out`; None where all of that is dropped."""
    speed = _UTILISATION * _operations_a_second()
    shapes = {name: _shape(encoder.name) for name, encoder in plan.recipe.encoders.items()}
    seconds = disk = largest = 0.0
    for cell in cells:
        n_layers, width, n_weights = shapes[cell.encoder]
        per_token = 12 * n_layers * width * width
        if cell.is_trained and not (out and has_weights(cell.encoder_folder(out))):
            seconds += 6 * per_token * _trained_tokens(plan, cell) / speed
            mib = 4 * n_weights / 2**20
            disk += mib if keep else 0.0
            largest = max(
                largest, 7 * mib
            )  # two checkpoints of weights and moments, and the encoder beside them
        for suite, _ in cell.suites:
            if out and is_evaluated(cell.score_folder(out, suite)):
                continue
            size = plan.suites[suite]
            seconds += (
                2 * per_token * size.n_texts * (size.n_characters / _CHARACTERS_A_TOKEN + 2) / speed
            )
            disk += _MIB_OF_SCORES
        seconds += _OTHER_S
    builds: dict[str, int] = {}
    for name in {cell.corpus for cell in cells if cell.corpus}:
        table = plan.recipe.corpora[name].build
        if table is not None and not (
            out and standing(out / CORPORA, BUILT, build_key(table)).is_dir()
        ):
            builds[build_key(table)] = plan.sizes[name].n_translations
    return Estimate(
        n_cells=len(cells),
        seconds=seconds,
        n_workers=n_workers,
        disk_mib=disk + largest * n_workers,
        n_translations=sum(builds.values()),
    )


def _trained_tokens(plan: Plan, cell: Cell) -> float:
    settings = plan.recipe.settings(cell.encoder, cell.regime)
    size = plan.sizes[str(cell.corpus)]
    whole = Regime(settings.get("regime", Regime.MULTIWAY)).takes_all_cells
    n_cells = len(size.languages) if whole or cell.budget == "encodings" else 2
    epochs = settings.get("epochs") or (_EPOCHS_TO_CONVERGE if cell.budget == "converged" else 1.0)
    return float(size.n_rows * n_cells * epochs * (size.n_characters / _CHARACTERS_A_TOKEN + 2))


def _shape(name: str) -> tuple[int, int, int]:
    """Return layers, width and weights of an encoder."""
    folder = locate(name) or cached_folder(name)
    if folder is None:
        return _BASE_SHAPE
    configs = [
        path
        for path in (folder / "config.json", folder / "0_Transformer" / "config.json")
        if path.is_file()
    ]
    config = json.loads(configs[0].read_text(encoding="utf-8")) if configs else {}
    n_layers, width = config.get("num_hidden_layers"), config.get("hidden_size")
    if not isinstance(n_layers, int) or not isinstance(width, int):
        return _BASE_SHAPE
    return n_layers, width, 12 * n_layers * width * width + int(config.get("vocab_size", 0)) * width


def _operations_a_second() -> float:
    """Time a matrix product on what trainings will run on; operations of all its cores."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    a = torch.randn(1024, 1024, device=device)
    best = float("inf")
    for _ in range(20):  # on a busy machine most are interrupted
        started = time.perf_counter()
        (a @ a).sum().item()
        best = min(best, time.perf_counter() - started)
    return 2 * 1024**3 / best


def duration(seconds: float) -> str:
    """Say how long something takes, as one would.

    >>> duration(42), duration(500), duration(9000), duration(400000)
    ('42 s', '8 min', '2 h 30 min', '4 days 15 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h"
