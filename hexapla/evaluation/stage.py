"""An encoder and evaluation data -> scores with a signature, in a score folder.

All that can be refused is refused before the encoder is loaded; then `run.json` is written, every
distinct text is embedded once, and every task is scored from those vectors. What is measured is on
disk at once, so that an interrupted evaluation goes on; `scores.jsonl` comes last.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pyarrow as pa
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as RichTask
from rich.text import Text

import hexapla
from hexapla.encoder.load import Task, load_encoder, save_prompt
from hexapla.encoder.locate import EncoderFacts, describe
from hexapla.evaluation import resume as unfinished
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.contamination_report import CONTAMINATION_FILE, corpus_overlap, find_corpus
from hexapla.evaluation.data import KINDS, Data, read_data
from hexapla.evaluation.examples import write_examples
from hexapla.evaluation.metrics import METRICS
from hexapla.evaluation.mteb_check import check_with_mteb
from hexapla.evaluation.resume import Place
from hexapla.evaluation.scores import SCORES_FILE, Score, per_item_path, read_scores, signature
from hexapla.evaluation.tasks.bitext import BitextTask
from hexapla.evaluation.tasks.classification import TopicsTask
from hexapla.evaluation.tasks.inputs import Measurement
from hexapla.evaluation.tasks.sts import StsTask
from hexapla.evaluation.vector_cache import VectorCache
from hexapla.evaluation.vectors import Vectors
from hexapla.runs.atomic import write_json, write_text
from hexapla.runs.record import check_apart, check_out, clear, write_run
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

VECTORS = "vectors"
_log = logging.getLogger(__name__)


def evaluate(config: EvaluateConfig, *, quiet: bool = False) -> list[Score]:
    """Measure an encoder and write the scores.

    Args:
        config: What to evaluate on what.
        quiet: Show no progress; there is none either when stderr is no terminal.

    Returns:
        The scores, as they were written to `config.out`.

    Raises:
        InputError: Data, languages, encoder or output folder that cannot be used.
    """
    out = Path(config.out)
    check_apart(out, {"encoder": config.encoder, "data": config.data, "corpus": config.corpus})
    if (
        not config.resume
    ):  # before data are fetched; whether it is the same run takes the data to say
        check_out(out, "evaluate", {}, done=SCORES_FILE, resume=False, overwrite=config.overwrite)
    facts = describe(config.encoder)
    corpus = find_corpus(config.encoder, facts, config.corpus)
    data = read_data(config)
    identity = _identity(config, facts, data)
    if config.resume and check_out(
        out, "evaluate", identity, done=SCORES_FILE, resume=True, overwrite=config.overwrite
    ):
        return read_scores(out)
    model = load_encoder(
        config.encoder,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        max_tokens=config.max_tokens,
        pooling=config.pooling,
    )
    if config.prompt is not None:
        save_prompt(model, config.prompt)
        model.default_prompt_name = None
    done = unfinished.read_unfinished(out) if config.resume else {}
    if not config.resume:
        clear(out)
        write_run(out, "evaluate", identity, encoder=dataclasses.asdict(facts), seed=config.seed)
    scores = _measure(config, facts, data, model, done, quiet=quiet)
    if corpus is not None:
        write_json(out / CONTAMINATION_FILE, corpus_overlap(corpus, _texts(data)))
    lines = [
        json.dumps(dataclasses.asdict(score), ensure_ascii=False, allow_nan=False)
        for score in scores
    ]
    write_text(out / SCORES_FILE, "".join(f"{line}\n" for line in lines))
    (out / unfinished.UNFINISHED).unlink(missing_ok=True)
    shutil.rmtree(out / VECTORS, ignore_errors=True)
    return scores


def _identity(config: EvaluateConfig, facts: EncoderFacts, data: Data) -> dict[str, Any]:
    """Return what must be equal for two runs to be the same: a name is not enough, neither of encoder nor of data."""
    tasks = sorted({(task.name, task.split, task.data_sha) for task in data.tasks})
    revisions = {one.task.metadata.name: one.revision for one in data.mteb}
    return {
        **config.identity(),
        "encoder_sha256": facts.sha256,
        "tasks": tasks,
        "revisions": revisions,
    }


def _texts(data: Data) -> dict[tuple[str, str], set[str]]:
    """Return the sentences of every task and split that scores name, for the search in a corpus."""
    texts: dict[tuple[str, str], set[str]] = {}
    for task in data.tasks:
        if isinstance(
            task, BitextTask | StsTask | TopicsTask
        ):  # the others have a bitext's sentences
            sentences = {text for group in task.prompted() for text in group.texts}
            for name in {key[0] for key in task.keys}:
                texts.setdefault((name, task.split), set()).update(sentences)
    return texts


def _measure(
    config: EvaluateConfig,
    facts: EncoderFacts,
    data: Data,
    model: SentenceTransformer,
    done: Mapping[Place, Sequence[Score]],
    *,
    quiet: bool,
) -> list[Score]:
    """Embed all texts, measure what is not done, and return all scores in the order of the tasks."""
    out = Path(config.out)
    prompts = {kind: _prompt(model, kind) for kind in get_args(Task)}
    seen = config.seen if config.seen is not None else facts.languages or None
    found = dict(done)
    vectors = Vectors(prompts, (group for task in data.tasks for group in task.prompted()))
    with _progress(quiet=quiet) as progress:
        embedding = progress.add_task("embedding", total=len(vectors), unit="sentences")
        scoring = progress.add_task(
            "scoring",
            total=sum(len(task.keys) for task in data.tasks),
            completed=len(done),
            unit="pairs",
        )
        vectors.embed(
            model,
            batch_size=config.batch_size,
            bf16=config.precision == "bf16",
            advance=partial(progress.advance, embedding),
            cache=VectorCache(
                Path(config.vectors or out / VECTORS),
                encoder_sha=facts.sha256
                if config.pooling is None
                else f"{facts.sha256}|{config.pooling}",
                max_tokens=model.max_seq_length,
                dtype=_dtype(model, config),
            ),
        )
        for task in data.tasks:
            kind = KINDS[type(task)]
            measured = {key for key in task.keys if (key[0], task.split, key[1]) in found}
            for measurement in task.measure(partial(vectors.of, kind), measured):
                path = per_item_path(measurement.task, measurement.split, measurement.languages)
                origin = _origin(model, prompts[kind], config)
                scores = [
                    _score(measurement, metric, path, facts, seen, origin)
                    for metric in measurement.metrics
                ]
                unfinished.add(
                    out, scores, pa.table({"item": list(measurement.items), **measurement.columns})
                )
                found[unfinished.place_of(scores[0])] = scores
                progress.advance(scoring)
        write_examples(data.tasks, vectors, out)
    scores = [
        score
        for task in data.tasks
        for key in task.keys
        for score in found[key[0], task.split, key[1]]
    ]
    if config.mteb_compatible:
        check_with_mteb(data.mteb, vectors, scores, facts, out)
    return scores


class _Rate(ProgressColumn):
    """The unit of a task and how many of it are done in a second, once that is known."""

    def render(self, task: RichTask) -> Text:
        """Return as `sentences, 540/s`."""
        return Text(task.fields["unit"] + (f", {task.speed:,.0f}/s" if task.speed else ""))


def _progress(*, quiet: bool) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )


def _prompt(model: SentenceTransformer, kind: Task) -> str:
    """Return what the encoder puts before a text: the prompt of the kind of task, else its default, else nothing."""
    return model.prompts.get(kind) or model.prompts.get(model.default_prompt_name or "") or ""


def _dtype(model: SentenceTransformer, config: EvaluateConfig) -> str:
    return "bfloat16" if config.precision == "bf16" else str(model.dtype).removeprefix("torch.")


def _origin(model: SentenceTransformer, prompt: str, config: EvaluateConfig) -> dict[str, object]:
    """Return the part of a signature that tells of the encoder and the software."""
    return {
        "prompt": prompt or None,
        "max_tokens": model.max_seq_length,
        "dtype": _dtype(model, config),
        "hexapla": hexapla.__version__,
        "sentence-transformers": version("sentence-transformers"),
        "torch": version("torch"),
    }


def _score(
    measured: Measurement,
    metric: str,
    path: str,
    facts: EncoderFacts,
    seen: Sequence[str] | None,
    origin: Mapping[str, object],
) -> Score:
    fields = {
        "task": measured.task,
        "data": measured.data_sha,
        "split": measured.split,
        "languages": measured.languages,
        "metric": metric,
        "metric_version": METRICS[metric].version,
        **measured.settings,
        "n": len(measured.items),
        **origin,
    }
    parts = (
        (measured.languages,)
        if codes.is_language(measured.languages)
        else codes.split_pair(measured.languages)
    )
    return Score(
        task=measured.task,
        metric=metric,
        value=measured.metrics[metric],
        n=len(measured.items),
        languages=measured.languages,
        seen=None if seen is None else set(parts) <= set(seen),
        split=measured.split,
        encoder=facts.name,
        encoder_sha=facts.sha256,
        corpus=facts.corpus,
        regime=facts.regime,
        seed=facts.seed,
        signature=signature(fields),
        per_item=path,
    )
