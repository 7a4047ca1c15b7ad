"""What a plan will take, in time and on disk, before it starts.

Time is computed from what this machine can do: training costs 6 operations per weight and token
outside the embeddings, encoding 2, and a matrix product, timed on the spot, says how many of them
the machine does in a second. Once cells are finished, the time left is computed from those instead.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hexapla.alignment.config import Regime
from hexapla.encoder.locate import cached_folder, locate
from hexapla.reproduce.content_keys import build_key
from hexapla.reproduce.job import has_weights, is_evaluated
from hexapla.reproduce.matrix import MatrixCell
from hexapla.reproduce.matrix_plan import MatrixPlan
from hexapla.reproduce.result_folder import BUILT, CORPORA, keyed_folder
from hexapla.runs.progress import format_duration

# Share of a large matrix product's speed that whole cells reach. 30 cells of the tiny encoder,
# estimated at 68 minutes, took 62. For larger encoders it is a guess.
_UTILISATION = 0.3
_CHARACTERS_PER_TOKEN = 3.5
# The tiny encoder took 7 to 29 epochs, more for more rows (docs/results-tiny.md).
_EPOCHS_TO_CONVERGE = 15
_SCORES_MIB = 5
# Layers, width and weights of an encoder that could not be looked at: those of base size.
_BASE_SHAPE = (12, 768, 278_000_000)
_OTHER_S = 5.0  # of a cell, besides training and encoding: loading, cards, checkpoints


@dataclass(frozen=True, kw_only=True)
class MatrixEstimate:
    """What cells will take.

    Attributes:
        n_cells: How many there are.
        seconds: Time of all of them, one after another.
        n_workers: How many are done at once. The time is divided by it, as on a machine with
            several GPUs.
        disk_mib: Disk space that they leave and need on the way, at most.
        n_translations: Sentences to translate, once for each language.
    """

    n_cells: int
    seconds: float
    n_workers: int
    disk_mib: float
    n_translations: int

    def lines(self) -> list[str]:
        """Return the estimate as lines of text."""
        at_once = f" ({self.n_workers} at once)" if self.n_workers > 1 else ""
        lines = [
            f"{self.n_cells} cells to do: about {format_duration(self.seconds / self.n_workers)} "
            f"on this machine{at_once}, {self.disk_mib / 1024:,.1f} GiB of disk"
        ]
        if self.n_translations:
            lines.append(
                f"{self.n_translations:,} translations before that, which are not in this time"
            )
        return lines


def estimate_cells(
    plan: MatrixPlan,
    cells: Sequence[MatrixCell],
    out: Path | None,
    *,
    n_workers: int,
    keep: bool,
) -> MatrixEstimate:
    """Estimate what cells will take.

    Args:
        plan: The plan.
        cells: Those of its cells that are to be done.
        out: Result folder, whose encoders and scores are not made again; None if all of it is
            dropped.
        n_workers: Cells at once.
        keep: Encoders are kept.
    """
    speed = _UTILISATION * _operations_per_second()
    shapes = {name: _shape(encoder.name) for name, encoder in plan.recipe.encoders.items()}
    seconds = disk = largest = 0.0
    for cell in cells:
        n_layers, width, n_weights = shapes[cell.encoder]
        per_token = 12 * n_layers * width * width
        if cell.is_trained and not (out and has_weights(cell.encoder_folder(out))):
            seconds += 6 * per_token * _trained_tokens(plan, cell) / speed
            mib = 4 * n_weights / 2**20
            disk += mib if keep else 0.0
            # Two checkpoints of weights and moments, and the encoder beside them.
            largest = max(largest, 7 * mib)
        for suite, _ in cell.suites:
            if not (out and is_evaluated(cell.score_folder(out, suite))):
                size = plan.suites[suite]
                seconds += 2 * per_token * size.n_texts * _tokens(size.n_characters) / speed
                disk += _SCORES_MIB
        seconds += _OTHER_S
    return MatrixEstimate(
        n_cells=len(cells),
        seconds=seconds,
        n_workers=n_workers,
        disk_mib=disk + largest * n_workers,
        n_translations=_translations(plan, cells, out),
    )


def _translations(plan: MatrixPlan, cells: Sequence[MatrixCell], out: Path | None) -> int:
    """Return the number of translations of all builds that are still to be made."""
    builds: dict[str, int] = {}
    for name in {cell.corpus for cell in cells if cell.corpus}:
        table = plan.recipe.corpora[name].build
        if table is None:
            continue
        key = build_key(table)
        if not (out and keyed_folder(out / CORPORA, BUILT, key).is_dir()):
            builds[key] = plan.sizes[name].n_translations
    return sum(builds.values())


def _tokens(n_characters: float) -> float:
    """Return about how many tokens a sentence has, with those at its two ends."""
    return n_characters / _CHARACTERS_PER_TOKEN + 2


def _trained_tokens(plan: MatrixPlan, cell: MatrixCell) -> float:
    settings = plan.recipe.settings(cell.encoder, cell.regime)
    size = plan.sizes[str(cell.corpus)]
    whole = Regime(settings.get("regime", Regime.MULTIWAY)).takes_all_cells
    n_cells = len(size.languages)
    per_pass = min(n_cells, settings.get("cells_per_row") or n_cells) if whole else 2
    epochs = settings.get("epochs") or (_EPOCHS_TO_CONVERGE if cell.budget == "converged" else 1.0)
    passes = epochs * (n_cells / per_pass if cell.budget == "encodings" else 1)
    if settings.get("hard_negatives"):
        per_pass += 2 / 3  # two cells of a row are encoded before a pass, without gradients
    return float(size.n_rows * per_pass * passes * _tokens(size.n_characters))


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


def _operations_per_second() -> float:
    """Time a matrix product on the device of trainings, with all its cores."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    a = torch.randn(1024, 1024, device=device)
    best = float("inf")
    for _ in range(20):  # on a busy machine most are interrupted
        started = time.perf_counter()
        (a @ a).sum().item()
        best = min(best, time.perf_counter() - started)
    return 2 * 1024**3 / best
