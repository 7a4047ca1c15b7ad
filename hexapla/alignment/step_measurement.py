"""A step of training on some rows -> time and memory for each token.

Steps of more and more rows are timed until one takes long enough, so that this takes seconds for an
encoder of any size. The weights of the encoder change, in memory alone.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hexapla.alignment.batches import CellLoader
from hexapla.alignment.prepare import Prepared
from hexapla.alignment.stage import Inputs, choose_weights
from hexapla.alignment.trainer import MultiwayTrainer
from hexapla.alignment.trainer_setup import make_trainer
from hexapla.alignment.used_embeddings import UsedEmbeddings
from hexapla.encoder.packing import Packing
from hexapla.encoder.precision import autocast
from hexapla.runs.out_of_memory import is_out_of_memory
from hexapla.runs.progress import Progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_LONG_ENOUGH_S = 2.0  # of one pass forward and backward
_FIRST_ROWS = 2


@dataclass(frozen=True, kw_only=True)
class StepMeasurement:
    """What a step takes.

    Attributes:
        n_rows: Rows of the step that was timed.
        n_tokens: Its tokens.
        tokens_per_row: Mean number of tokens that a step encodes of a row.
        seconds_per_token: Forward and backward pass.
        optimiser_s: Time of the optimiser in a step.
        activations_per_token: Bytes that are kept for the backward pass.
        weights: Bytes of the encoder, and of the copy of its embeddings that is made at the end if
            a part of them is trained.
        n_parameters: Weights of the encoder.
        n_trained: Those that are trained.
        n_body: Those that are no token embeddings.
        device: What it was measured on.
    """

    n_rows: int
    n_tokens: int
    tokens_per_row: float
    seconds_per_token: float
    optimiser_s: float
    activations_per_token: float
    weights: float
    n_parameters: int
    n_trained: int
    n_body: int
    device: str


def measure_step(prepared: Prepared, inputs: Inputs) -> StepMeasurement:
    """Time a step of training.

    Args:
        prepared: A run on a sample of rows.
        inputs: Its encoder and tokens.
    """
    config, model = prepared.config, inputs.model
    weights = sum(each.numel() * each.element_size() for each in model.parameters())
    transformer = getattr(model[0], "auto_model", None)
    table = None if transformer is None else transformer.get_input_embeddings()
    embeddings = 0 if table is None else table.weight.numel()
    n_parameters = sum(each.numel() for each in model.parameters())
    choose_weights(config, model)
    with (
        Progress(quiet=True) as progress,
        UsedEmbeddings(model, inputs.cells.ids),
        Packing(model, wanted=True) as packing,
    ):
        trainer = make_trainer(
            config,
            prepared,
            model,
            inputs.cells,
            inputs.prompt,
            packing=packing,
            progress=progress,
        )
        if transformer and table is not None and transformer.get_input_embeddings() is not table:
            weights += embeddings * table.weight.element_size()
        loader = trainer.get_train_dataloader()
        n_rows, n_tokens, seconds = _time_steps(trainer, loader, config.rows_in_step)
        return StepMeasurement(
            n_rows=n_rows,
            n_tokens=n_tokens,
            tokens_per_row=_tokens_per_row(loader),
            seconds_per_token=seconds / n_tokens,
            optimiser_s=_time_optimiser(trainer),
            activations_per_token=_activations_per_token(trainer, loader),
            weights=weights,
            n_parameters=n_parameters,
            n_trained=sum(each.numel() for each in model.parameters() if each.requires_grad),
            n_body=n_parameters - embeddings,
            device=_device_name(model),
        )


def _time_steps(
    trainer: MultiwayTrainer, loader: CellLoader, rows_per_step: int
) -> tuple[int, int, float]:
    """Return rows, tokens and seconds of the largest step that was timed."""
    n_rows, timed = _FIRST_ROWS, None
    _run_step(trainer, loader, n_rows)  # the first takes longer than any other
    while True:
        try:
            seconds, n_tokens = _run_step(trainer, loader, n_rows)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            # The training would go on in smaller chunks.
            if timed is None or not is_out_of_memory(error):
                raise
            return timed
        timed = (n_rows, n_tokens, seconds)
        if seconds >= _LONG_ENOUGH_S or n_rows >= rows_per_step:
            return timed
        n_rows = min(2 * n_rows, rows_per_step)


def _run_step(trainer: MultiwayTrainer, loader: CellLoader, n_rows: int) -> tuple[float, int]:
    """Go forward and backward through some rows; return seconds and tokens."""
    batch = loader.collator.collect(list(range(n_rows)))
    started = time.perf_counter()
    _pass(trainer, batch.to_inputs())
    return time.perf_counter() - started, batch.n_tokens


def _pass(trainer: MultiwayTrainer, inputs: dict[str, Any]) -> None:
    model: Any = trainer.model
    model.train()
    model.zero_grad()
    # Accelerate gives a model its precision when training begins.
    with autocast(model, trainer.args.bf16):
        loss = trainer.compute_loss(model, trainer._prepare_inputs(inputs))
    trainer.accelerator.backward(loss)
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _time_optimiser(trainer: MultiwayTrainer) -> float:
    """Return the seconds that the optimiser takes with the gradients of the last pass."""
    optimiser = trainer.create_optimizer()
    optimiser.step()  # the first makes its averages
    started = time.perf_counter()
    optimiser.step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _activations_per_token(trainer: MultiwayTrainer, loader: CellLoader) -> float:
    """Return the bytes that autograd keeps of a pass, but for the weights, by token."""
    own = {each.untyped_storage().data_ptr() for each in trainer.model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        _, n_tokens = _run_step(trainer, loader, _FIRST_ROWS)
    return sum(kept.values()) / n_tokens


def _tokens_per_row(loader: CellLoader) -> float:
    """Return how many tokens the steps of an epoch encode, by row."""
    batches = list(loader.collator.sampler.batches())
    n_tokens = sum(loader.collator.collect(rows).n_tokens for rows in batches)
    return n_tokens / sum(map(len, batches))


def resident_bytes() -> float:
    """Return the most bytes that this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return float(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _device_name(model: SentenceTransformer) -> str:
    if model.device.type == "cuda":
        return f"the GPU {torch.cuda.get_device_name(model.device)}"
    n_threads = torch.get_num_threads()
    return f"{n_threads} thread{'' if n_threads == 1 else 's'} of the CPU"
