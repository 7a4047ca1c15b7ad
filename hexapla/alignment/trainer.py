"""sentence-transformers' trainer for batches of cells, made safe against what ends long runs.

Batches come from `batches.py` unchanged, already split over ranks by rows. A step that runs out of
memory is repeated in smaller chunks. A loss or gradient that is not finite stops the run before it
reaches the weights, and the error names the rows. A checkpoint counts once it is complete on the
disk, and the one before it is kept until then.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformerTrainer
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

from hexapla.alignment import distributed as ranks
from hexapla.alignment.batches import CellLoader
from hexapla.alignment.cell_batch import CellBatch
from hexapla.alignment.checkpoints import complete_checkpoint, last_checkpoint
from hexapla.alignment.gradient_cache import TOKENS_PER_PASS
from hexapla.alignment.loss import MultiwayLoss, NonFiniteError
from hexapla.errors import TrainingError
from hexapla.runs.disk_errors import disk_errors
from hexapla.runs.out_of_memory import is_out_of_memory

_WEIGHTS = "trained.safetensors"
_log = logging.getLogger(__name__)


class MultiwayTrainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """A trainer for batches of cells; see the module.

    Args:
        loader: The batches.
        row_ids: The ids of all rows that the loader's collator can collect, to name rows in errors.
        **kwargs: As for `SentenceTransformerTrainer`; `loss` is a `MultiwayLoss`.
    """

    loss: MultiwayLoss
    train_dataset: Any

    def __init__(self, *, loader: CellLoader, row_ids: Dataset, **kwargs: Any) -> None:
        self._loader = loader
        self._row_ids = row_ids
        # The trainer needs a dataset, but uses no more of it than its length.
        super().__init__(train_dataset=Dataset.from_dict({"row": loader.dataset}), **kwargs)
        self.loss.passes.even = self.is_fsdp_enabled

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leave the statistics of the data off the model card; they cannot hold a missing cell."""
        dataset, self.train_dataset = self.train_dataset, None
        super().add_model_card_callback(default_args_dict)
        self.train_dataset = dataset

    def get_train_dataloader(self) -> CellLoader:
        """Return the batches unchanged; the sampler has split them over the ranks."""
        return self._loader

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Make a step, again in smaller chunks if it runs out of memory."""
        batch = CellBatch.from_inputs(inputs)
        state = _StepState(model)
        while True:
            try:
                loss: torch.Tensor = super().training_step(model, dict(inputs), num_items_in_batch)
                return loss
            except NonFiniteError as error:
                raise self._not_finite("loss", batch, error.rows) from None
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if ranks.n_ranks() > 1:
                    raise TrainingError(
                        "one process ran out of memory, which the others cannot know; lower "
                        "--chunk-tokens, and continue with --resume"
                    ) from error
            # Outside the except clause, so that the frames of the failed step are freed with
            # everything that they hold.
            self._halve_chunks(batch)
            state.restore()

    def _halve_chunks(self, batch: CellBatch) -> None:
        """Halve the chunks of this and all later steps, at most down to the longest text."""
        passes, n_tokens = self.loss.passes, batch.n_tokens
        was = n_tokens
        if passes.chunk_tokens is not None:
            was = min(passes.chunk_tokens, n_tokens, TOKENS_PER_PASS)
        now = max(was // 2, batch.lengths[0])
        if now >= was:
            raise TrainingError(
                f"out of memory with a single chunk of {was} tokens; lower --max-tokens, or use "
                "--gradient-checkpointing or --lora"
            )
        passes.chunk_tokens = now
        _log.warning(
            "Out of memory in step %d of %d tokens: this step is repeated with gradient caching in "
            "chunks of %d tokens, and all later steps use them too",
            self.state.global_step + 1,
            n_tokens,
            now,
        )

    def _clip_grad_norm(self, model: Any) -> Any:
        """Stop before a gradient that is not finite reaches the weights."""
        norm = super()._clip_grad_norm(model)
        if not torch.isfinite(torch.as_tensor(norm)):
            raise self._not_finite("gradient")
        return norm

    def _not_finite(
        self, what: str, batch: CellBatch | None = None, rows: list[int] | None = None
    ) -> TrainingError:
        """Return the error that names what is not finite, its rows, and the last checkpoint."""
        last = last_checkpoint(Path(self.args.output_dir))
        left = (
            f"{last} is complete, and --resume continues from there"
            if last
            else "no checkpoint has been written yet"
        )
        place = ""
        if batch is not None and rows:
            ids = [self._row_ids[batch.corpus_rows[row]]["row_id"] for row in rows[:5]]
            place = f" in {len(rows)} rows of the batch, among them {', '.join(ids)}"
        return TrainingError(
            f"step {self.state.global_step + 1}: the {what} is not finite{place}; {left}. A lower "
            "learning rate, a higher temperature or --precision fp32 may help"
        )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write a checkpoint and mark it as complete, or leave nothing of it."""
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
            if self.args.should_save:
                complete_checkpoint(
                    folder, step=self.state.global_step, n_processes=ranks.n_ranks()
                )
        except Exception as error:
            shutil.rmtree(folder, ignore_errors=True)
            last = last_checkpoint(folder.parent)
            left = (
                f"{last} is complete, and --resume continues from there"
                if last
                else "there is none before it, so start again"
            )
            with disk_errors(folder, f"then go on: {left}"):
                raise TrainingError(
                    f"checkpoint {folder} could not be written ({error}); {left}"
                ) from error

    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None
    ) -> None:
        """Save what is trained; the rest is in the base encoder."""
        if not self.args.should_save:  # on every rank but one
            return
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        if self._loader.hard_negatives is not None:
            self._loader.hard_negatives.save(folder)
        frozen = {name for name, _ in self.model.named_parameters()} - self._trained()
        state = self.model.state_dict() if state_dict is None else state_dict
        save_file(
            {key: value.contiguous() for key, value in state.items() if key not in frozen},
            folder / _WEIGHTS,
        )

    def _load_from_checkpoint(self, checkpoint_path: str, model: Any = None) -> None:
        """Load what `_save` saved."""
        weights: dict[str, Any] = load_file(Path(checkpoint_path) / _WEIGHTS)
        if model is not None:  # sharded
            options = StateDictOptions(full_state_dict=True, strict=False)
            missing, unexpected = set_model_state_dict(model, weights, options=options)
        else:
            missing, unexpected = self.model.load_state_dict(weights, strict=False)
        if unexpected or self._trained() & set(missing):
            raise TrainingError(
                f"{checkpoint_path}: not a checkpoint of this encoder; the weights "
                f"{[*unexpected, *missing][:3]} do not fit"
            )
        # The best weights are loaded at the end too, when no order is needed.
        if self._loader.hard_negatives is not None and not self.state.global_step:
            self._loader.hard_negatives.load(Path(checkpoint_path))

    def _trained(self) -> set[str]:
        """Return the names of the parameters that are trained."""
        return {
            name for name, parameter in self.model.named_parameters() if parameter.requires_grad
        }


class _StepState:
    """Gradients and random states at the beginning of a step, for repeating it exactly."""

    def __init__(self, model: Any) -> None:
        self._parameters = list(model.parameters())
        # Those of the batches that were accumulated before.
        self._gradients = [
            None if each.grad is None else each.grad.clone() for each in self._parameters
        ]
        self._random = torch.get_rng_state()
        has_gpu = torch.cuda.is_available()
        self._gpu_random = torch.cuda.get_rng_state_all() if has_gpu else []

    def restore(self) -> None:
        """Put them back; this may be done several times."""
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()
        torch.set_rng_state(self._random)
        if torch.cuda.is_available():
            torch.cuda.set_rng_state_all(self._gpu_random)
            torch.cuda.empty_cache()
