"""Corpus + encoder -> aligned encoder: check, load, train, save.

`batches.py` decides which rows and cells a step has, `loss.py` what is computed from them, and
`trainer.py` what the trainer does with it. The run's folder becomes the encoder's: it holds
`run.json` from the start, checkpoints while it trains, then the encoder, and last `align.json`,
which records what the training took. Under `torchrun` every process runs this code, and only rank 0
writes.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import torch
from accelerate import PartialState
from sentence_transformers import SentenceTransformer
from transformers import set_seed

from hexapla.alignment.checkpoints import last_checkpoint, n_processes_of
from hexapla.alignment.compilation import compiled
from hexapla.alignment.config import AlignConfig, Regime
from hexapla.alignment.lora import Lora
from hexapla.alignment.prepare import Prepared, prepare
from hexapla.alignment.reference import Reference
from hexapla.alignment.teacher_vectors import open_teacher
from hexapla.alignment.token_cache import TokenCache, open_token_cache
from hexapla.alignment.trainer import MultiwayTrainer
from hexapla.alignment.trainer_setup import make_judge, make_trainer
from hexapla.alignment.training_record import record_training
from hexapla.alignment.used_embeddings import UsedEmbeddings
from hexapla.corpus.reader import SAMPLE
from hexapla.encoder.check_prompt import check_prompt
from hexapla.encoder.encode import encode
from hexapla.encoder.held_out import METRIC
from hexapla.encoder.interpolation import interpolate
from hexapla.encoder.load import load_encoder, save_prompt, training_prompt
from hexapla.encoder.locate import RESULT
from hexapla.encoder.packing import Packing
from hexapla.encoder.save import ENCODER_FILES, save_encoder
from hexapla.encoder.whitening import append_dense, whiten
from hexapla.errors import InputError
from hexapla.runs.disk_errors import disk_errors
from hexapla.runs.library_bars import no_library_bars
from hexapla.runs.progress import Progress
from hexapla.runs.record import write_record
from hexapla.runs.run_folder import hold_run, remove_run

_log = logging.getLogger(__name__)


def align(config: AlignConfig, *, quiet: bool = False) -> dict[str, Any]:
    """Train an encoder on a multi-way corpus.

    Args:
        config: Settings.
        quiet: Show no progress.

    Returns:
        The content of `align.json`: what was trained on what, and what it took.

    Raises:
        InputError: Settings, corpus, encoder or output folder cannot be used. Nothing has been
            written then.
        TrainingError: The loss is not finite, memory does not suffice for a single text, or a
            checkpoint cannot be written.
    """
    processes = PartialState(cpu=not torch.cuda.is_available())
    if processes.is_main_process:
        with hold_run(config.out, worthless=["logs/*"]):
            return _align(config, processes, quiet=quiet)
    logging.getLogger("hexapla").setLevel(logging.ERROR)  # only rank 0 logs
    return _align(config, processes, quiet=True)


def _align(config: AlignConfig, processes: PartialState, *, quiet: bool) -> dict[str, Any]:
    """Align in a folder that rank 0 has locked."""
    # Rows and tokens are kept in the cache of `datasets`, perhaps on another disk.
    with disk_errors(Path(datasets.config.HF_DATASETS_CACHE)):
        prepared = prepare(config, n_processes=processes.num_processes)
        if prepared.is_finished:
            _log.info("%s: this run is finished already", config.out)
            return dict(json.loads((config.out / RESULT).read_text(encoding="utf-8")))
        config = prepared.config
        inputs = load_inputs(config, prepared, quiet=quiet)
    _begin_run(config, prepared)
    _log.info("%s", _start(prepared, inputs))
    _log.info("%s", _announcement(config, prepared, inputs.cells))
    started = time.monotonic()
    trained = _train(config, prepared, inputs, quiet=quiet)
    model, n_whitened = _finish(config, prepared, inputs, trained)
    accuracy = _accuracy_after(config, prepared, inputs, trained)
    seconds = time.monotonic() - started
    result = record_training(config, prepared, trained.trainer, inputs.prompt, seconds, accuracy)
    result |= {"n_truncated": inputs.cells.n_truncated, "n_whitened": n_whitened}
    if processes.is_main_process:
        result = save_encoder(model, config.out, result)
    processes.wait_for_everyone()
    return result


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What training starts from; `prompt` is put before every text. `taught` is a teacher's."""

    model: SentenceTransformer
    prompt: str
    cells: TokenCache
    taught: Reference | None


@dataclass(frozen=True, kw_only=True)
class _Trained:
    """The trainer after training, and what whitening did before the first step.

    Attributes:
        trainer: The trainer, with the trained encoder.
        lora: Its adapters, or None.
        n_whitened: Sentences that were encoded to whiten the encoder before the first step.
        layer_before: Weights of the whitening layer before the first step; empty without one.
    """

    trainer: MultiwayTrainer
    lora: Lora | None
    n_whitened: int
    layer_before: dict[str, torch.Tensor]


def load_inputs(config: AlignConfig, prepared: Prepared, *, quiet: bool) -> Inputs:
    """Load the encoder, refuse what only the loaded encoder shows, and tokenise the rows."""
    # The seed decides adapters, and weights that an encoder's file lacks, such as an unused pooler.
    set_seed(config.seed)
    model = _load_base(config)
    _check_loaded(config, model)
    prompt = training_prompt(model)
    check_prompt(model, prompt)
    with PartialState().main_process_first():
        cells = open_token_cache(
            prepared.rows,
            prepared.corpus.languages,
            model,
            prompt,
            (prepared.corpus.sha256, prepared.base.sha256),
            quiet=quiet,
        )
        taught = open_teacher(config, prepared, model, quiet=quiet) if config.teacher else None
    if config.teacher:
        # Loading one may draw random numbers, and one whose vectors are cached is not loaded.
        set_seed(config.seed)
    if cells.n_truncated:
        _log.warning(
            "%d texts are longer than %d tokens and are truncated",
            cells.n_truncated,
            model.max_seq_length,
        )
    return Inputs(model=model, prompt=prompt, cells=cells, taught=taught)


def _start(prepared: Prepared, inputs: Inputs) -> str:
    """Return what kind of encoder is trained, and what was chosen because of it."""
    pooling = next((m.pooling_mode for m in inputs.model if hasattr(m, "pooling_mode")), "its own")
    return (
        f"{prepared.base.name} is {prepared.kind}: {pooling} pooling, prompt {inputs.prompt!r}, "
        f"learning rate {prepared.config.learning_rate:g}, preserve {prepared.config.preserve:g}, "
        f"alpha {prepared.config.alpha:g}, epochs {prepared.config.epochs:g}"
    )


def _announcement(config: AlignConfig, prepared: Prepared, cells: TokenCache) -> str:
    """Return what training will take, so that a slip in a setting shows before hours are lost."""
    longest = "at most " if config.budget == "converged" else ""
    n_encodings = round(prepared.epochs * prepared.encodings_per_epoch)
    line = f"{longest}{prepared.n_steps:,} steps, {n_encodings:,} sentences to encode"
    if n_mined := prepared.n_mined(prepared.epochs):
        line += f" and {n_mined:,} more to find hard negatives"
    if config.chunk_tokens is None:
        return line
    per_step = len(cells.ids) * prepared.epochs / prepared.n_steps
    n_passes = min(per_step / config.chunk_tokens, n_encodings / prepared.n_steps)
    return f"{line}, in about {max(1, round(n_passes)):,} passes of the encoder a step"


def _load_base(config: AlignConfig) -> SentenceTransformer:
    return load_encoder(config.encoder, **config.loading)


def _check_loaded(config: AlignConfig, model: SentenceTransformer) -> None:
    """Refuse settings that do not fit the loaded encoder."""
    if config.regime == Regime.PIVOT_ONLY and not _has_dropout(model):
        raise InputError(
            f"{config.encoder}: has no dropout, and under pivot-only nothing else distinguishes a "
            "text from itself; use another encoder, or set the dropout in its config.json"
        )
    dim = model.get_embedding_dimension() or 0
    if config.matryoshka and max(config.matryoshka) > dim:
        raise InputError(
            f"matryoshka asks for {max(config.matryoshka)} dimensions; {config.encoder} has {dim}"
        )


def _has_dropout(model: SentenceTransformer) -> bool:
    return any(isinstance(module, torch.nn.Dropout) and module.p > 0 for module in model.modules())


def _begin_run(config: AlignConfig, prepared: Prepared) -> None:
    """Clear the output folder if it is to be overwritten, and write `run.json`."""
    processes = PartialState()
    processes.wait_for_everyone()  # until all have checked the folder
    if processes.is_main_process:
        if config.overwrite:
            remove_run(config.out, ENCODER_FILES)
        if not config.resume:
            place = {} if config.corpus == SAMPLE else {"corpus_path": _place(prepared)}
            write_record(config.out, "align", prepared.identity, **place)
    processes.wait_for_everyone()


def _place(prepared: Prepared) -> str:
    """Return where the corpus is, for commands that are called elsewhere."""
    return str(prepared.corpus.path.absolute())


def _train(config: AlignConfig, prepared: Prepared, inputs: Inputs, *, quiet: bool) -> _Trained:
    """Train the encoder in place, from the last checkpoint if the run is resumed."""
    model, prompt = inputs.model, inputs.prompt
    checkpoint = _checkpoint_to_resume(config) if config.resume else None
    # A checkpoint holds what was measured before the first step.
    before = None if checkpoint else _measure(prepared, model, prompt)
    if before is not None:
        _log.info("held-out accuracy before the first step: %.4f", before)
    own = model.state_dict().keys()
    n_whitened = _whiten(prepared, model, prompt) if config.whiten == "start" else 0
    layer = {name: weight.clone() for name, weight in model.state_dict().items() if name not in own}
    reference = _own_pivots(prepared, model, prompt) if config.preserve else inputs.taught
    lora = choose_weights(config, model)
    with (
        Progress(quiet=quiet) as progress,
        UsedEmbeddings(model, inputs.cells.ids),
        Packing(model, wanted=not config.compile) as packing,
        compiled(model, wanted=config.compile),
    ):
        trainer = make_trainer(
            config,
            prepared,
            model,
            inputs.cells,
            prompt,
            packing=packing,
            progress=progress,
            reference=reference,
            accuracy=before,
        )
        with no_library_bars():  # of checkpoints
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return _Trained(trainer=trainer, lora=lora, n_whitened=n_whitened, layer_before=layer)


def _measure(prepared: Prepared, model: SentenceTransformer, prompt: str) -> float | None:
    """Return the accuracy on the held-out rows, None if there are none."""
    judge = make_judge(prepared, prompt)
    return None if judge is None else judge(model)[judge.primary_metric]


def _accuracy_after(
    config: AlignConfig, prepared: Prepared, inputs: Inputs, trained: _Trained
) -> float | None:
    """Return the finished encoder's accuracy, measured anew if the trainer did not at its end."""
    state = trained.trainer.state
    last = state.best_global_step if config.budget == "converged" else state.global_step
    measured = {each["step"]: each[METRIC] for each in state.log_history if METRIC in each}
    if config.whiten != "end" and config.alpha == 1 and last in measured:
        return float(measured[last])
    after = _measure(prepared, inputs.model, inputs.prompt)
    if after is not None and last in measured:
        _log.info("held-out accuracy: %.4f as trained, %.4f as saved", measured[last], after)
    return after


def choose_weights(config: AlignConfig, model: SentenceTransformer) -> Lora | None:
    """Set which weights are trained, and whether activations are kept; return adapters if asked."""
    lora = Lora(model, config.lora) if config.lora else None
    if config.gradient_checkpointing:
        model[0].auto_model.gradient_checkpointing_enable(
            gradient_checkpointing_kwargs={"use_reentrant": False}
        )
    return lora


def _checkpoint_to_resume(config: AlignConfig) -> Path | None:
    """Return the last complete checkpoint; the batches are the same for any number of processes."""
    checkpoint = last_checkpoint(config.out / "checkpoints")
    n_now = PartialState().num_processes
    if checkpoint and (n_before := n_processes_of(checkpoint)) != n_now:
        _log.warning(
            "%d processes continue what %d began: the order of rows stays, dropout is drawn anew",
            n_now,
            n_before,
        )
    return checkpoint


def _whiten(prepared: Prepared, model: SentenceTransformer, prompt: str) -> int:
    """Append the whitening layer; return how many sentences were encoded for it."""
    return whiten(model, prepared.rows, prepared.corpus.languages, prompt)


def _own_pivots(prepared: Prepared, model: SentenceTransformer, prompt: str) -> Reference:
    """Return what the encoder gives the pivots before it is trained, for the pivots."""
    pivots = list(prepared.rows[prepared.corpus.pivot])
    vectors = encode(model, pivots, task="STS", prompt=prompt)
    return Reference(vectors_RE=vectors, pivots_only=True)


def _finish(
    config: AlignConfig, prepared: Prepared, inputs: Inputs, trained: _Trained
) -> tuple[SentenceTransformer, int]:
    """Turn what was trained into an ordinary encoder.

    Returns:
        The encoder, which is whole on rank 0 alone if its weights were sharded; and the number of
        sentences encoded for whitening.
    """
    model, n_whitened = inputs.model, trained.n_whitened
    is_sharded = trained.trainer.is_fsdp_enabled
    if is_sharded:
        model = _gather_encoder(config, trained.trainer)
    elif trained.lora:
        trained.lora.merge()
    is_whole = PartialState().is_main_process or not is_sharded
    if config.alpha is not None and config.alpha < 1 and is_whole:
        # Weights that the encoder's file lacks, such as an unused pooler's, are drawn as before.
        set_seed(config.seed)
        base = {**_load_base(config).state_dict(), **trained.layer_before}
        interpolate(base, model, config.alpha)
    if config.whiten == "end" and is_whole:
        n_whitened = _whiten(prepared, model, inputs.prompt)
    save_prompt(model, inputs.prompt, ordinary=True)
    return model, n_whitened


def _gather_encoder(config: AlignConfig, trainer: MultiwayTrainer) -> SentenceTransformer:
    """Gather sharded weights into an encoder of this process."""
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    model = _load_base(config)
    if config.whiten == "start":
        append_dense(model)
    lora = Lora(model, config.lora) if config.lora else None
    if PartialState().is_main_process:
        model.load_state_dict(weights)
    if lora:
        lora.merge()
    return model
