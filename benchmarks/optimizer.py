"""Measure what a step of `hexapla align` costs, part by part, where most weights are embeddings.

multilingual-e5-small has 250,037 pieces of 384 dimensions: 93 % of the weights of its lowest four
layers. A step touches a few thousand of the pieces, and AdamW all of them.

In: real rows as for `benchmarks.align`, and an encoder: `small@4`, which `hexapla fetch-encoder
small@4` makes.
Out: seconds and shares of the parts of a step, and ratios of ways to make it, which take turns.

    python -m benchmarks.optimizer [fused plain frozen "used rows" sparse bf16] [--encoder small@4]
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.align import SEVEN, Ours, real_rows
from benchmarks.kept import ratio, take_turns
from hexapla.alignment.used_embeddings import UsedEmbeddings
from hexapla.encoder.packing import Packing

N_ROWS = 500


@dataclass
class Step:
    """A way to make a step, and the seconds of its parts.

    Attributes:
        trainer: Computes the loss.
        model: The encoder.
        batch: The inputs of the step.
        optimizers: What steps after the gradients are clipped.
        bf16: Compute under autocast.
        is_clipped: Clip gradients; no norm of sparse ones is to be had.
    """

    trainer: Any
    model: Any
    batch: dict[str, Any]
    optimizers: list[torch.optim.Optimizer]
    bf16: bool = False
    is_clipped: bool = True
    parts: dict[str, list[float]] = field(default_factory=dict)

    def __call__(self) -> float:
        """Make a step and return its seconds."""
        times = [time.perf_counter()]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            loss = self.trainer.compute_loss(self.model, dict(self.batch))
        times.append(time.perf_counter())
        loss.backward()
        times.append(time.perf_counter())
        if self.is_clipped:
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        times.append(time.perf_counter())
        for optimizer in self.optimizers:
            optimizer.step()
        times.append(time.perf_counter())
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        times.append(time.perf_counter())
        names = ("forward", "backward", "clipping", "AdamW", "clearing")
        for name, begin, end in zip(names, times[:-1], times[1:], strict=True):
            self.parts.setdefault(name, []).append(end - begin)
        return times[-1] - times[0]

    def shares(self) -> str:
        """Return each part's share of the step, of medians."""
        medians = {name: statistics.median(values[1:]) for name, values in self.parts.items()}
        total = sum(medians.values())
        shown = ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in medians.items())
        return f"{total:.2f} s: {shown}"


def adamw(model: nn.Module, *, fused: bool) -> torch.optim.Optimizer:
    """Return AdamW over what is trained."""
    trained = [each for each in model.parameters() if each.requires_grad]
    return torch.optim.AdamW(trained, lr=1e-5, weight_decay=0.01, fused=fused)


def make_steps(ours: Ours, packings: list[Packing]) -> dict[str, Step]:
    """Return the ways to make a step; the first three share an encoder."""

    def step(change: Callable[[Any], None] | None = None) -> tuple[Any, Any, Any]:
        model = copy.deepcopy(ours.model)
        if change:
            change(model)
        packing = Packing(model)
        packings.append(packing)
        own = copy.copy(ours)
        own.model = model
        trainer = own.trainer(packing.__enter__())
        model.train()
        return trainer, model, next(iter(trainer.get_train_dataloader()))

    def freeze(model: Any) -> None:
        model[0].auto_model.get_input_embeddings().weight.requires_grad_(False)

    def restrict(model: Any) -> None:
        UsedEmbeddings(model, ours.cells.ids).__enter__()

    def sparse(model: Any) -> None:
        model[0].auto_model.get_input_embeddings().sparse = True

    whole, frozen, used, thin = step(), step(freeze), step(restrict), step(sparse)
    fused = adamw(whole[1], fused=True)
    table = thin[1][0].auto_model.get_input_embeddings().weight
    rest = [each for each in thin[1].parameters() if each is not table]
    return {
        "fused": Step(*whole, [fused]),
        "plain": Step(*whole, [adamw(whole[1], fused=False)]),
        "bf16": Step(*whole, [fused], bf16=True),
        "frozen": Step(*frozen, [adamw(frozen[1], fused=True)]),
        "used rows": Step(*used, [adamw(used[1], fused=True)]),
        "sparse": Step(
            *thin,
            [torch.optim.AdamW(rest, lr=1e-5, fused=True), torch.optim.SparseAdam([table])],
            is_clipped=False,
        ),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("cases", nargs="*", default=["fused", "plain", "frozen", "used rows"])
    parser.add_argument("--encoder", default="small@4")
    parser.add_argument("--rows-per-step", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5, help="rounds after one of warm-up")
    args = parser.parse_args()
    packings: list[Packing] = []
    with tempfile.TemporaryDirectory() as folder:
        rows = real_rows(N_ROWS, "stsb-mt", SEVEN)
        ours = Ours(rows, args.encoder, Path(folder), rows_per_step=args.rows_per_step)
        steps = {
            name: step for name, step in make_steps(ours, packings).items() if name in args.cases
        }
        values = take_turns(dict(steps), args.rounds)
    print(f"{args.encoder}, {torch.get_num_threads()} threads")
    first = args.cases[0]
    for name, step in steps.items():
        print(
            f"{name:10} {ratio(values, name, first, f'step: {name} over {first}')} of {first}; "
            f"{step.shares()}",
            flush=True,
        )


if __name__ == "__main__":
    main()
