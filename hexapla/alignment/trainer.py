"""sentence-transformers' trainer for batches of cells, and what it lacks: short memory, broken numbers, a full disk.

Batches come from `batches.py` as they are, split over processes by rows. A step that runs out of
memory is repeated in smaller chunks. A loss or gradient that is no number stops the run before it
reaches the weights, and names its rows. A checkpoint counts once it is whole on the disk, and the
one before it stands until then.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformerTrainer
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.utils.data import DataLoader
from transformers import ProgressCallback, TrainerCallback

from hexapla.alignment import distributed as ranks
from hexapla.alignment.batches import CellCollator, RowBatchSampler
from hexapla.alignment.gradient_cache import TOKENS_A_PASS
from hexapla.alignment.loss import MultiwayLoss, NonFiniteError
from hexapla.encoder.held_out import METRIC
from hexapla.errors import TrainingError
from hexapla.runs.atomic import write_json

WHOLE = "whole.json"  # written last into a checkpoint
_WEIGHTS = "trained.safetensors"
_log = logging.getLogger(__name__)


class Loader(DataLoader[int]):
    """Batches of cells, for the rows and in the order of a sampler."""

    def __init__(
        self, sampler: RowBatchSampler, rows: Sequence[int], collator: CellCollator
    ) -> None:
        super().__init__(rows, batch_sampler=sampler, collate_fn=collator)  # type: ignore[arg-type]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches are next."""
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]


class MultiwayTrainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """See the module.

    Args:
        loader: the batches.
        row_ids: the ids of all rows that the loader's collator can fetch, to name those that break.
        **kwargs: as `SentenceTransformerTrainer`; `loss` is a `MultiwayLoss`.
    """

    loss: MultiwayLoss
    train_dataset: Any

    def __init__(self, *, loader: Loader, row_ids: Dataset, **kwargs: Any) -> None:
        self._loader = loader
        self._row_ids = row_ids
        # The trainer asks for a dataset, of which only the length counts here.
        super().__init__(train_dataset=Dataset.from_dict({"row": loader.dataset}), **kwargs)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leave out the statistics of the data on the model card: they cannot hold a missing cell."""
        dataset, self.train_dataset = self.train_dataset, None
        super().add_model_card_callback(default_args_dict)
        self.train_dataset = dataset

    def get_train_dataloader(self) -> DataLoader[int]:
        """Return the batches as they are; the sampler has split them over the processes."""
        return self._loader

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Make a step, again in smaller chunks if it runs out of memory."""
        lengths = inputs["cells_lengths"]
        earlier = [
            p.grad.clone() if p.grad is not None else None for p in model.parameters()
        ]  # of accumulated batches
        random = (
            torch.get_rng_state(),
            torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        )
        while True:
            try:
                loss: torch.Tensor = super().training_step(model, dict(inputs), num_items_in_batch)
                return loss
            except NonFiniteError as error:
                raise self._broken("loss", error.rows, inputs) from None
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if ranks.n_ranks() > 1:
                    raise TrainingError(
                        "one process ran out of memory, which the others cannot know; lower "
                        "--chunk-tokens and --resume"
                    ) from error
            # Out of the except clause, so that the failed step's frames, and what they hold, are
            # gone.
            self._halve(lengths)
            for parameter, gradient in zip(model.parameters(), earlier, strict=True):
                parameter.grad = gradient if gradient is None else gradient.clone()
            torch.set_rng_state(random[0])
            if torch.cuda.is_available():
                torch.cuda.set_rng_state_all(random[1])
                torch.cuda.empty_cache()

    def _halve(self, lengths: list[int]) -> None:
        """Halve the chunks of this and all later steps, down to one text of the longest."""
        passes, total = self.loss.passes, sum(lengths)
        was = (
            total if passes.chunk_tokens is None else min(passes.chunk_tokens, total, TOKENS_A_PASS)
        )
        now = max(was // 2, lengths[0])
        if now >= was:
            raise TrainingError(
                f"out of memory with a single chunk of {was} tokens; lower --max-tokens, or take "
                "--gradient-checkpointing or --lora"
            )
        passes.chunk_tokens = now
        _log.warning(
            "Out of memory in step %d of %d tokens: it is repeated by gradient caching in chunks of %d, as "
            "are all steps from here",
            self.state.global_step + 1,
            total,
            now,
        )

    def _clip_grad_norm(self, model: Any) -> Any:
        """Stop before gradients that are no numbers reach the weights."""
        norm = super()._clip_grad_norm(model)
        if not torch.isfinite(torch.as_tensor(norm)):
            raise self._broken("gradient", [], {})
        return norm

    def _broken(self, what: str, rows: list[int], inputs: dict[str, Any]) -> TrainingError:
        """Say what is not finite, in which rows, and what is left."""
        last = last_checkpoint(Path(self.args.output_dir))
        left = (
            f"{last} is whole, and --resume goes on from there"
            if last
            else "no checkpoint was written yet"
        )
        place = ""
        if rows:
            numbers = inputs["cells_rows"]
            ids = [self._row_ids[numbers[row]]["row_id"] for row in rows[:5]]
            place = f" in {len(rows)} rows of the batch, among them {', '.join(ids)}"
        return TrainingError(
            f"step {self.state.global_step + 1}: the {what} is not finite{place}; {left}. A lower "
            "learning rate, a higher temperature or --precision fp32 may help"
        )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write a checkpoint, to the disk, and say last that it is whole; remove what could not be written whole."""
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
            if self.args.should_save:
                for path in folder.iterdir():
                    with path.open("rb") as file:
                        os.fsync(file.fileno())
                write_json(
                    folder / WHOLE, {"step": self.state.global_step, "processes": ranks.n_ranks()}
                )
        except Exception as error:
            shutil.rmtree(folder, ignore_errors=True)
            last = last_checkpoint(folder.parent)
            left = (
                f"{last} stands, and --resume goes on from there"
                if last
                else "there is none before it"
            )
            raise TrainingError(
                f"checkpoint {folder} could not be written ({error}); {left}"
            ) from error

    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None
    ) -> None:
        """Save what is trained, and nothing that the base encoder has already."""
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        trained = {
            name for name, parameter in self.model.named_parameters() if parameter.requires_grad
        }
        frozen = {name for name, _ in self.model.named_parameters()} - trained
        state = self.model.state_dict() if state_dict is None else state_dict
        save_file(
            {key: value.contiguous() for key, value in state.items() if key not in frozen},
            folder / _WEIGHTS,
        )

    def _load_from_checkpoint(self, checkpoint_path: str, model: Any = None) -> None:
        """Load what `_save` saved."""
        found: dict[str, Any] = load_file(Path(checkpoint_path) / _WEIGHTS)
        if model is not None:  # sharded
            options = StateDictOptions(full_state_dict=True, strict=False)
            missing, unexpected = set_model_state_dict(model, found, options=options)
        else:
            missing, unexpected = self.model.load_state_dict(found, strict=False)
        trained = {
            name for name, parameter in self.model.named_parameters() if parameter.requires_grad
        }
        if unexpected or trained & set(missing):
            raise TrainingError(
                f"{checkpoint_path}: not of this encoder: {[*unexpected, *missing][:3]}"
            )


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether a device, or PyTorch's allocator on a CPU, had no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint of a folder."""
    found = [path for path in folder.glob("checkpoint-*") if (path / WHOLE).is_file()]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def processes_of(checkpoint: Path) -> int:
    """Return how many processes wrote a checkpoint."""
    return int(json.loads((checkpoint / WHOLE).read_text(encoding="utf-8"))["processes"])


class LogAtCheckpoints(TrainerCallback):  # type: ignore[misc]
    """Has the mean loss reported before a checkpoint, which does not hold what it was summed from."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for the report; the trainer's own callback has asked for the checkpoint by now."""
        control.should_log |= control.should_save


class Progress(ProgressCallback):  # type: ignore[misc]
    """The trainer's bar with the loss on it, in place of a line on stdout per report."""

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Show the newest numbers."""
        shown = {
            name: logs[key]
            for name, key in (("loss", "loss"), ("held-out", METRIC))
            if logs and key in logs
        }
        if self.training_bar is not None and shown:
            self.training_bar.set_postfix(
                {name: f"{float(value):.4f}" for name, value in shown.items()}
            )
