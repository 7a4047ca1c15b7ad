"""Evaluating an encoder: every text is embedded once, every task measured, every score written.

Everything that can be refused is refused before the encoder is loaded. `run.json` is written before
the work, and each measurement as soon as it is made, so that an interrupted evaluation can be
resumed; `scores.jsonl` is written last. torch is imported when the encoder is loaded.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hexapla.encoder.load import load_encoder
from hexapla.encoder.locate import EncoderFacts, describe
from hexapla.encoder.vector_cache import VectorCache
from hexapla.evaluation import resume
from hexapla.evaluation.check_evaluation import check_evaluation, check_score_folder
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.contamination_report import CONTAMINATION_FILE, corpus_overlap
from hexapla.evaluation.data import EvaluationData, read_data
from hexapla.evaluation.examples import EXAMPLES, write_examples
from hexapla.evaluation.known_corpus import fill_in_data, find_corpus
from hexapla.evaluation.mteb_check import check_with_mteb
from hexapla.evaluation.per_item import PER_ITEM_FOLDER
from hexapla.evaluation.score_table import Scores
from hexapla.evaluation.scores import SCORES_FILE, Score, read_scores, write_scores
from hexapla.evaluation.scoring import Scorer
from hexapla.evaluation.tasks.protocol import EvaluationTask
from hexapla.evaluation.vectors import Vectors
from hexapla.runs.atomic import write_json
from hexapla.runs.progress import Progress
from hexapla.runs.record import check_run_folder, write_record
from hexapla.runs.run_folder import hold_run, remove_run

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

VECTORS_FOLDER = "vectors"
_log = logging.getLogger(__name__)
SCORE_FILES = (
    "run.json",
    SCORES_FILE,
    resume.UNFINISHED,
    EXAMPLES,
    CONTAMINATION_FILE,
    f"{PER_ITEM_FOLDER}/*.parquet",
    f"{VECTORS_FOLDER}/*.npz",
    "mteb",
)
"""What an evaluation writes into its folder, as patterns."""


def evaluate(config: EvaluateConfig, *, quiet: bool = False) -> Scores:
    """Measure an encoder and write the scores.

    Args:
        config: The settings.
        quiet: Show no progress.

    Returns:
        The scores, as written to `config.out`: a list that prints as a table, with `to_pandas()`.

    Raises:
        InputError: The data, a language, the encoder or the output folder cannot be used.
    """
    return evaluate_on(None, fill_in_data(config), quiet=quiet)


def evaluate_on(data: EvaluationData | None, config: EvaluateConfig, *, quiet: bool) -> Scores:
    """Evaluate as `evaluate` does, on data that were read before; None reads them here."""
    check_evaluation(config)
    with hold_run(config.out, worthless=[f"{PER_ITEM_FOLDER}/*"]):
        check_score_folder(config)  # again, now that no other run can write there
        return Scores(_evaluate(data, config, quiet=quiet))


def _evaluate(data: EvaluationData | None, config: EvaluateConfig, *, quiet: bool) -> list[Score]:
    """Evaluate in a folder that is locked and checked."""
    out = config.out
    facts = describe(config.encoder)
    corpus = find_corpus(config.encoder, facts, config.corpus)
    data = data or read_data(config)
    identity = run_identity(config, facts, data)
    if config.resume and check_run_folder(
        out, "evaluate", identity, done=SCORES_FILE, resume=True, overwrite=False
    ):
        return read_scores(out)
    model = _load(config)
    if not config.resume:
        remove_run(out, SCORE_FILES)
        write_record(out, "evaluate", identity, encoder=dataclasses.asdict(facts), seed=config.seed)
    scores = _measure(config, facts, data, model, quiet=quiet)
    if corpus is not None:
        write_json(out / CONTAMINATION_FILE, corpus_overlap(corpus, _sentences(data)))
    write_scores(scores, out)
    (out / resume.UNFINISHED).unlink(missing_ok=True)
    shutil.rmtree(out / VECTORS_FOLDER, ignore_errors=True)
    return scores


def run_identity(
    config: EvaluateConfig, facts: EncoderFacts, data: EvaluationData
) -> dict[str, Any]:
    """Return all that makes a run the same run; names of encoder and data are not enough."""
    return {
        **config.identity(),
        "encoder_sha256": facts.sha256,
        "tasks": sorted({(task.name, task.split, task.data_sha) for task in data.tasks}),
        "revisions": {one.task.metadata.name: one.revision for one in data.mteb},
    }


def _load(config: EvaluateConfig) -> SentenceTransformer:
    model = load_encoder(config.encoder, **config.loading)
    if config.precision == "bf16" and model.device.type == "cpu":
        from hexapla.encoder.precision import cpu_has_bf16

        if not cpu_has_bf16():
            _log.warning(
                "precision is bf16, for which this CPU has no instructions; encoding is slower "
                "than in fp32, so use that (--precision fp32)"
            )
    return model


def _sentences(data: EvaluationData) -> dict[tuple[str, str], set[str]]:
    """Return the sentences by task and split, for the search in the training corpus."""
    sentences: dict[tuple[str, str], set[str]] = {}
    for task in data.tasks:
        if not task.is_derived:
            of_task = {text for group in task.texts() for text in group}
            for name in {key[0] for key in task.keys}:
                sentences.setdefault((name, task.split), set()).update(of_task)
    return sentences


def _measure(
    config: EvaluateConfig,
    facts: EncoderFacts,
    data: EvaluationData,
    model: SentenceTransformer,
    *,
    quiet: bool,
) -> list[Score]:
    """Embed all texts, measure what is not done, and return all scores in order."""
    out = Path(config.out)
    scorer = Scorer(config, facts, model)
    done = resume.read_unfinished(out)
    vectors = Vectors(
        scorer.prompts, ((task.task_type, texts) for task in data.tasks for texts in task.texts())
    )
    with Progress(quiet=quiet) as progress:
        vectors.embed(
            model,
            batch_size=config.batch_size,
            bf16=config.precision == "bf16",
            bar=progress.add("embedding", len(vectors), unit="sentences"),
            cache=_vector_cache(config, facts, model, scorer.dtype),
        )
        n_keys = sum(len(task.keys) for task in data.tasks)
        bar = progress.add("scoring", n_keys, unit="measurements")
        bar.skip(len(done))
        by_place = dict(done)
        for task in data.tasks:
            for scores in _score_task(task, vectors, scorer, done, out):
                by_place[resume.place_of(scores[0])] = scores
                bar.advance()
    write_examples(data.tasks, vectors, out)
    ordered = [
        score
        for task in data.tasks
        for name, languages in task.keys
        for score in by_place[name, task.split, languages]
    ]
    if config.mteb_compatible:
        check_with_mteb(data.mteb, vectors, ordered, facts, out)
    return ordered


def _score_task(
    task: EvaluationTask,
    vectors: Vectors,
    scorer: Scorer,
    done: Mapping[resume.Place, Sequence[Score]],
    out: Path,
) -> Iterator[list[Score]]:
    """Measure what is not done of a task; yield the scores of each measurement once on disk."""
    measured = {key for key in task.keys if (key[0], task.split, key[1]) in done}
    for measurement in task.measure(partial(vectors.of, task.task_type), measured):
        scores = scorer.scores(measurement, task.task_type)
        table = pa.table({"item": list(measurement.items), **measurement.columns})
        resume.record_measurement(out, scores, table)
        yield scores


def _vector_cache(
    config: EvaluateConfig, facts: EncoderFacts, model: SentenceTransformer, dtype: str
) -> VectorCache:
    pooling = "" if config.pooling is None else f"|{config.pooling}"
    return VectorCache(
        Path(config.vectors or Path(config.out) / VECTORS_FOLDER),
        encoder_sha=f"{facts.sha256}{pooling}",
        max_tokens=model.max_seq_length,
        dtype=dtype,
    )
