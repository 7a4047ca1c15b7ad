"""Corpus + encoder -> aligned encoder: what is checked, loaded, trained and written, in that order.

What rows and cells a step has is in `batches.py`, what is made of them in `multiway.py`, what the trainer does with it
in `trainer.py`. The run's folder becomes the encoder's: `run.json` stands in it from the start, checkpoints while it
trains, the encoder at the end and `align.json`, which says what it took, last of all. Under `torchrun` every process
comes through here; the first alone writes.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
from transformers import EarlyStoppingCallback, PrinterCallback, ProgressCallback, TrainerCallback
from transformers.integrations import TensorBoardCallback
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    get_available_reporting_integrations,
)

from hexapla import languages as codes
from hexapla.align_config import AlignConfig
from hexapla.batches import (
    CellCollator,
    Regime,
    RowBatchSampler,
    encodings_per_epoch,
    present_cells,
    shared_texts,
    usable_rows,
)
from hexapla.corpus import Corpus, open_corpus
from hexapla.encoder import RESULT, EncoderFacts, describe, encode, load_encoder, locate, save_prompt, training_prompt
from hexapla.encoder_card import write_card
from hexapla.errors import InputError, nearest
from hexapla.held_out import METRIC, HeldOutAccuracy
from hexapla.lora import Lora
from hexapla.multiway import MultiwayLoss
from hexapla.packing import Packing
from hexapla.run import check_out, clear, write_json, write_run
from hexapla.token_cache import TokenCache, open_token_cache
from hexapla.trainer import Loader, MultiwayTrainer, Progress, last_checkpoint, processes_of

_NOT_IDENTITY = (
    "out", "resume", "overwrite", "trust_remote_code", "allow_pickle", "report_to", "checkpoint_steps", "chunk_tokens",
    "compile",
)  # fmt: skip
_EVALUATIONS_AN_EPOCH = 4
__all__ = ["AlignConfig", "Prepared", "align", "make_trainer", "prepare", "save_encoder"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything of a run that can be known and checked before an encoder is loaded.

    `rows` are all that are not held out, and `usable` the numbers of those that the regime can train on.
    """

    corpus: Corpus
    rows: Dataset
    usable: NDArray[np.int64]
    held_out: Dataset | None
    base: EncoderFacts
    epochs: float
    encodings_an_epoch: int
    identity: dict[str, Any]
    finished: bool


def align(config: AlignConfig, *, quiet: bool = False) -> dict[str, Any]:
    """Train an encoder on a multi-way corpus.

    Args:
        config: settings.
        quiet: show no progress; there is none either when stderr is no terminal.

    Returns:
        What is in `align.json`: what was trained on what, and what it took.

    Raises:
        InputError: settings, corpus, encoder or output folder that cannot be used. Nothing is written then.
        TrainingError: the loss is not finite, memory does not do for a single text, or a checkpoint cannot be written.
    """
    processes = PartialState(cpu=not torch.cuda.is_available())
    prepared = prepare(config, n_processes=processes.num_processes)
    if prepared.finished:
        _log.info("%s: this run is finished already", config.out)
        return _read_result(config.out)
    model = load_encoder(
        config.encoder, trust_remote_code=config.trust_remote_code, allow_pickle=config.allow_pickle,
        max_tokens=config.max_tokens, pooling=config.pooling,
    )  # fmt: skip
    _check_encoder(config, model)
    prompt = config.prompt if config.prompt is not None else training_prompt(model)
    with processes.main_process_first():
        cells = open_token_cache(
            prepared.rows, prepared.corpus.languages, model, prompt, (prepared.corpus.sha256, prepared.base.sha256)
        )
    if cells.n_truncated:
        _log.warning("%d texts are longer than %d tokens and are truncated", cells.n_truncated, model.max_seq_length)
    processes.wait_for_everyone()  # all have looked at the folder
    if processes.is_main_process:
        if config.overwrite:
            clear(config.out)
        if not config.resume:
            write_run(config.out, "align", prepared.identity)
    processes.wait_for_everyone()

    started = time.monotonic()
    checkpoint = _checkpoint_to_resume(config, processes.num_processes) if config.resume else None
    reference = _reference(config, prepared, model, prompt) if config.preserve else None
    lora = Lora(model, config.lora) if config.lora else None
    if config.gradient_checkpointing:
        model[0].auto_model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    with Packing(model, wanted=not config.compile) as packing:
        trainer = make_trainer(config, prepared, model, cells, prompt, reference=reference, quiet=quiet)
        trainer.loss.passes.packs, trainer.loss.passes.offset = packing.packs, packing.offset
        if config.compile:
            model[0].auto_model.compile(dynamic=True)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if lora:
        lora.merge()
    save_prompt(model, prompt)
    result = _result(config, prepared, trainer, cells.n_truncated, prompt, time.monotonic() - started)
    if processes.is_main_process:
        save_encoder(model, config.out, result)
    processes.wait_for_everyone()
    return result


def prepare(config: AlignConfig, *, n_processes: int = 1) -> Prepared:
    """Check corpus, encoder and output folder against the settings.

    Raises:
        InputError: see `align`.
    """
    _check_report_to(config.report_to)
    locate(config.encoder)
    corpus = open_corpus(config.corpus)
    corpus = dataclasses.replace(corpus, languages=_columns(config, corpus))
    languages = corpus.languages
    base = describe(config.encoder)
    settings = {key: value for key, value in dataclasses.asdict(config).items() if key not in _NOT_IDENTITY}
    identity = {**settings, "languages": list(languages), "corpus_sha256": corpus.sha256, "encoder_sha256": base.sha256}
    finished = check_out(
        config.out, "align", identity, done=RESULT, resume=config.resume, overwrite=config.overwrite
    )  # fmt: skip

    kept, held_out = corpus.split(config.held_out or 0.0)
    rows = kept.dataset()
    present_RC = present_cells(rows, languages)
    usable = usable_rows(present_RC, config.regime)
    if len(usable) < config.rows_per_step:
        raise InputError(f"{config.corpus}: {len(usable)} rows to train on, fewer than the {config.rows_per_step} of a "
                         "step; lower rows_per_step (--rows-per-step), or give more rows")  # fmt: skip
    if config.rows_per_step < 2 * n_processes:
        raise InputError(f"rows_per_step is {config.rows_per_step}, for {n_processes} processes; a step takes 2 rows of "
                         "each process or more")  # fmt: skip
    if config.regime != Regime.PIVOT_ONLY:
        for language in np.array(languages)[~present_RC[usable].any(axis=0)]:
            raise InputError(f"{config.corpus}: {language} has no cell in the rows to train on; leave it out of the "
                             "languages (--languages), or fill it")  # fmt: skip
    if config.held_out and len(held_out) < 2:
        raise InputError(f"{config.corpus}: held_out {config.held_out} leaves {len(held_out)} rows to judge by; "
                         "it takes 2 or more, so give a larger share")  # fmt: skip
    an_epoch = encodings_per_epoch(present_RC[usable], config.regime)
    epochs = float(config.epochs or 1.0)
    if config.budget == "encodings":
        multiway = present_RC[usable_rows(present_RC, Regime.MULTIWAY)]
        epochs *= encodings_per_epoch(multiway, Regime.MULTIWAY) / an_epoch
    return Prepared(
        corpus=dataclasses.replace(kept, languages=languages), rows=rows, usable=usable,
        held_out=held_out.dataset() if config.held_out else None, base=base, epochs=epochs,
        encodings_an_epoch=an_epoch, identity=identity, finished=finished,
    )  # fmt: skip


def _columns(config: AlignConfig, corpus: Corpus) -> tuple[str, ...]:
    """Return the columns that are trained, the pivot first."""
    asked = corpus.languages if config.languages is None else config.languages
    if missing := [language for language in asked if language not in corpus.languages]:
        raise InputError(f"{config.corpus}: no column {', '.join(missing)}; it has {', '.join(corpus.languages)}")
    if config.regime != Regime.PIVOT_ONLY and set(asked) <= {corpus.pivot}:
        raise InputError(f"only {corpus.pivot} is asked for; regime {config.regime} needs two columns or more")
    if config.budget == "converged" and set(asked) <= {corpus.pivot}:
        raise InputError(
            f"budget is converged and {corpus.pivot} is the only column; held-out rows are found across columns"
        )
    return (corpus.pivot, *(language for language in asked if language != corpus.pivot))


def _check_encoder(config: AlignConfig, model: SentenceTransformer) -> None:
    """Refuse what only the loaded encoder shows."""
    if config.regime == Regime.PIVOT_ONLY and not _has_dropout(model):
        raise InputError(f"{config.encoder}: has no dropout, and only that tells a text from itself under pivot-only; "
                         "take another encoder, or set the dropout in its config.json")  # fmt: skip
    dim = model.get_embedding_dimension() or 0
    if config.matryoshka and max(config.matryoshka) > dim:
        raise InputError(f"matryoshka asks for {max(config.matryoshka)} dimensions; {config.encoder} has {dim}")


def _checkpoint_to_resume(config: AlignConfig, n_processes: int) -> Path | None:
    """Return the newest whole checkpoint; the batches are the same for any number of processes."""
    found = last_checkpoint(config.out / "checkpoints")
    if found and (before := processes_of(found)) != n_processes:
        _log.warning("%d processes go on with what %d began: rows keep their order, dropout draws anew", n_processes, before)
    return found


def _reference(
    config: AlignConfig, prepared: Prepared, model: SentenceTransformer, prompt: str
) -> NDArray[np.float32]:
    """Return (R, D) the unit vectors that the encoder gives the pivots before it is trained."""
    pivots = list(prepared.rows[prepared.corpus.pivot])
    before = dict(model.prompts)
    save_prompt(model, prompt)
    vectors = encode(model, pivots, task="STS")
    model.prompts = before
    return vectors


def make_trainer(
    config: AlignConfig, prepared: Prepared, model: SentenceTransformer, cells: TokenCache, prompt: str, *,
    reference: NDArray[np.float32] | None = None, quiet: bool,
) -> MultiwayTrainer:  # fmt: skip
    """Wire loss, batches and callbacks into the trainer."""
    pairs: Literal["all", "pivot"] = "pivot" if config.regime == Regime.STAR else "all"
    loss = MultiwayLoss(
        model, config.temperature, config.margin, config.negatives, pairs,
        chunk_tokens=config.chunk_tokens, matryoshka=config.matryoshka, preserve=config.preserve,
        preserve_kind=config.preserve_kind, positives=config.positives, cell_weights=config.cell_weights,
    )  # fmt: skip
    callbacks: list[TrainerCallback] = []
    report_to = config.report_to
    processes = PartialState()
    if report_to == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        if processes.is_main_process:
            callbacks.append(TensorBoardCallback(SummaryWriter(str(config.out / "logs"))))
        report_to = "none"
    if config.budget == "converged":
        callbacks.append(EarlyStoppingCallback(config.patience))
    if config.apart:
        cells = keep_apart(cells, prepared, config.apart)
    sampler = RowBatchSampler(
        shared_texts(cells.texts[prepared.usable]), len(prepared.usable), config.rows_per_step, seed=config.seed,
        rank=processes.process_index, n_ranks=processes.num_processes,
    )  # fmt: skip
    ids = prepared.rows.select_columns(["row_id"])
    keys = np.array([int(row_id[:16], 16) for row_id in ids["row_id"]], dtype=np.uint64)
    collator = CellCollator(cache=cells, regime=config.regime, keys=keys, sampler=sampler, reference=reference)
    collator.k = config.k
    n_steps = -(-len(sampler) // config.gradient_accumulation)
    languages = prepared.corpus.languages
    trainer = MultiwayTrainer(
        model=model,
        args=_arguments(config, prepared.epochs, n_steps, report_to, quiet),
        loader=Loader(sampler, prepared.usable.tolist(), collator),
        row_ids=ids,
        loss=loss,
        evaluator=HeldOutAccuracy(prepared.held_out, languages, prompt) if prepared.held_out is not None else None,
        callbacks=callbacks,
    )
    if config.balance:
        present = cells.texts[prepared.usable] != 0
        rarity = (present / present.sum(axis=0)).sum(axis=1)
        sampler.chances = rarity / rarity.sum()
    if config.hard_rows:
        trainer.add_callback(MineHardRows(model, prepared, sampler, prompt, config.hard_rows, config.seed))
    trainer.remove_callback(PrinterCallback)
    if trainer.pop_callback(ProgressCallback) is not None:
        trainer.add_callback(Progress)
    return trainer


def keep_apart(cells: TokenCache, prepared: Prepared, threshold: float) -> TokenCache:
    """Give near-duplicate pivots one text id, so that their rows count as the same."""
    from hexapla.near_duplicates import NearDuplicates

    seen, texts = NearDuplicates(threshold), np.array(cells.texts)
    n = 0
    for row, pivot in enumerate(prepared.rows[prepared.corpus.pivot]):
        first = seen.add(pivot, str(row))
        if first is not None:
            texts[row, 0] = texts[int(first), 0]
            n += 1
    _log.info("%d near-duplicate rows are kept apart", n)
    return dataclasses.replace(cells, texts=texts)


class MineHardRows(TrainerCallback):
    """Between epochs, find for each row those that its cells are nearest to in another language."""

    def __init__(self, model, prepared, sampler, prompt, n_hard, seed):
        self.model, self.prepared, self.sampler = model, prepared, sampler
        self.prompt, self.n_hard, self.seed = prompt, n_hard, seed

    def on_epoch_begin(self, args, state, control, **kwargs):
        epoch = round(state.epoch or 0)
        if epoch == 0:
            return
        rows = self.prepared.rows.select(self.prepared.usable.tolist())
        columns = [list(rows[language]) for language in self.prepared.corpus.languages]
        draws = np.random.default_rng([self.seed, epoch])
        sides = [[], []]
        for i in range(len(rows)):
            present = [c for c, column in enumerate(columns) if column[i] is not None]
            for side, c in zip(sides, draws.choice(present, size=2, replace=False), strict=True):
                side.append(columns[c][i])
        was = self.model.training
        a, b = (self.model.encode(side, prompt=self.prompt or None, normalize_embeddings=True, batch_size=64,
                                  show_progress_bar=False, convert_to_tensor=True) for side in sides)
        self.model.train(was)
        cosine = a @ b.T
        cosine.fill_diagonal_(-2)
        self.sampler.neighbours = cosine.topk(self.n_hard * 2, dim=1).indices.tolist()
        self.sampler.n_hard = self.n_hard


def _arguments(
    config: AlignConfig, epochs: float, steps_an_epoch: int, report_to: str, quiet: bool
) -> SentenceTransformerTrainingArguments:
    converged = config.budget == "converged"
    eval_steps = max(1, steps_an_epoch // _EVALUATIONS_AN_EPOCH) if converged else steps_an_epoch
    has_bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()

    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(config.out / "checkpoints"),
        num_train_epochs=epochs,
        per_device_train_batch_size=max(1, config.rows_per_step // PartialState().num_processes),
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type="constant_with_warmup" if converged else "linear",
        warmup_steps=math.ceil(steps_an_epoch * config.warmup) if converged else config.warmup,
        weight_decay=config.weight_decay,
        bf16=config.precision == "bf16" or (config.precision == "auto" and has_bf16),
        seed=config.seed,
        data_seed=config.seed,
        save_strategy="steps",
        save_steps=eval_steps if converged else config.checkpoint_steps,
        save_total_limit=2,
        eval_strategy="steps" if config.held_out else "no",
        eval_steps=eval_steps,
        load_best_model_at_end=converged,
        metric_for_best_model=METRIC if converged else None,
        greater_is_better=True if converged else None,
        logging_steps=10,
        report_to=report_to,
        disable_tqdm=quiet or not sys.stderr.isatty(),
        use_cpu=not torch.cuda.is_available(),
        # Each process makes as many passes as its cells take, and a broadcast in each would wait for the others.
        ddp_broadcast_buffers=False,
        # Early stopping counts evaluations without improvement; a resumed run must not count anew.
        restore_callback_states_from_checkpoint=True,
    )
    if arguments.n_gpu > 1:  # DataParallel would give each GPU a part of the rows, and so fewer negatives
        arguments._n_gpu = 1
    return arguments


def _check_report_to(name: str) -> None:
    allowed = ("tensorboard", "none", *sorted(set(INTEGRATION_TO_CALLBACK) - {"tensorboard"}))
    if name not in allowed:
        raise InputError(f'report_to is "{name}"; it must be {", ".join(allowed)}{nearest(name, allowed)}')
    if name != "none" and name not in get_available_reporting_integrations():
        raise InputError(f'report_to is "{name}", whose package is not installed; install it, or take another')


def _has_dropout(model: SentenceTransformer) -> bool:
    return any(isinstance(module, torch.nn.Dropout) and module.p > 0 for module in model.modules())


def save_encoder(model: SentenceTransformer, out: Path, result: dict[str, Any]) -> None:
    """Write the encoder beside the run's records, `modules.json` and then `align.json` last; drop the checkpoints."""
    partial = out / ".encoder"
    shutil.rmtree(partial, ignore_errors=True)
    model.model_card_data.generate_widget_examples = False
    model.model_card_data.language = [codes.to_bcp47(language) for language in result["languages"]]
    model.save(str(partial), safe_serialization=True)
    write_card(partial / "README.md", result)
    for path in partial.rglob("*.safetensors"):
        path.chmod(0o644)  # it is written for the owner alone, and a shared encoder is of use to others
    for path in sorted(partial.iterdir(), key=lambda path: path.name == "modules.json"):
        target = out / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
    partial.rmdir()
    write_json(out / RESULT, result)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)


def _result(
    config: AlignConfig,
    prepared: Prepared,
    trainer: MultiwayTrainer,
    n_truncated: int,
    prompt: str,
    seconds: float,
) -> dict[str, Any]:
    history = trainer.state.log_history
    curve = [{"step": entry["step"], "accuracy": entry[METRIC]} for entry in history if METRIC in entry]
    losses = [entry["loss"] for entry in history if "loss" in entry]
    epochs = float(trainer.state.epoch or 0.0)
    corpus = prepared.corpus
    return {
        "regime": str(config.regime),
        "budget": config.budget,
        "negatives": config.negatives,
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "pivot": corpus.pivot,
        "languages": [corpus.pivot] if config.regime == Regime.PIVOT_ONLY else list(corpus.languages),
        "columns": corpus.manifest.get("columns", {}),
        "base": prepared.base.name,
        "base_sha256": prepared.base.sha256,
        "prompt": prompt,
        "seed": config.seed,
        "temperature": config.temperature,
        "margin": config.margin,
        "matryoshka": list(config.matryoshka),
        "preserve": config.preserve,
        "lora": config.lora,
        "learning_rate": config.learning_rate,
        "rows_per_step": config.rows_per_step,
        "n_processes": PartialState().num_processes,
        "chunk_tokens": trainer.loss.passes.chunk_tokens,
        "device": trainer.args.device.type,
        "precision": "bf16" if trainer.args.bf16 else "fp32",
        "n_rows": len(prepared.usable),
        "n_steps": trainer.state.global_step,
        "epochs": round(epochs, 4),
        "n_rows_seen": round(epochs * len(prepared.usable)),
        "n_encodings": round(epochs * prepared.encodings_an_epoch),
        "n_truncated": n_truncated,
        "seconds": round(seconds, 1),
        "loss": float(np.mean(losses[-10:])) if losses else None,
        "held_out": curve,
        "best_step": trainer.state.best_global_step if config.budget == "converged" else None,
    }


def _read_result(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / RESULT).read_text(encoding="utf-8")))
