"""The build from beginning to end: plan, translate, see what is normal, judge, write; each step only where undone.

All state lies in the folder of the build, so going on after a kill is the same call again, and what
comes out is the same to the byte. Only the last step writes under the corpus's own name, and the
folder of the build then goes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hexapla.build.assemble import Assembly
from hexapla.build.committed import clear, locked, read_json
from hexapla.build.config import BuildConfig, flat
from hexapla.build.executors import Processes, Ray, Run, run_here
from hexapla.build.progress import Progress
from hexapla.build.shard_plan import SOURCE, Plan, make_plan, read_plan, shard_path
from hexapla.build.shard_worker import (
    ATTEMPTS,
    CELLS,
    JUDGED,
    STATISTICS,
    Receipt,
    Task,
    TranslatorFacts,
    Worker,
    ask_translator,
)
from hexapla.corpus.contamination import Contamination
from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import check_out_folder
from hexapla.errors import InputError
from hexapla.filters import Chain, FilterReport, FilterSettings, Statistics, read_filters
from hexapla.runs.atomic import write_json
from hexapla.runs.record import RUN, check_out, write_run
from hexapla.sources import source_facts
from hexapla.sources.texts import STANDARD_INPUT, find_sources

log = logging.getLogger(__name__)
LEAST_TEXTS = (
    2048  # in one call of a translator that can mix languages, so that its batches are full
)
_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def build(config: BuildConfig, quiet: bool = False) -> FilterReport:
    """Make a corpus folder from text.

    Args:
        config: What to build.
        quiet: Show no progress.

    Returns:
        What the filters rejected. With `resume` of a finished build, what it reported then.

    Raises:
        InputError: Anything wrong with what was given, found before the first sentence is
            translated where it can be; or a language that lost more than `max_loss`.
    """
    with _room(config):
        _check_cheaply(config)
        filters = read_filters(config.filters)
        _check_filters(config, filters)
        contamination = (
            Contamination.load(config.against, (config.pivot, *config.to))
            if config.against
            else None
        )
        worker = Worker(config.work, "", config.pivot, config.to, config.translator, filters)
        run: Run = run_here if config.workers == 1 else Processes(config.workers)
        if config.executor == "ray":
            run = Ray(config.workers, config.address)
            worker = run.sized(worker)
            facts = run.ask(worker, ask_translator)
        else:
            facts = ask_translator(worker)
            if config.workers > 1:
                # to tell its facts it may have loaded weights, which only the others need
                worker.close()
        sources = source_facts(config.source)
        settings = flat(
            {
                **config.settings(),
                "sources": {
                    "order": [fact["name"] for fact in sources],
                    **{str(fact["name"]): fact for fact in sources},
                },
                "translator": facts.made_by,
                "filters": filters.to_json(),
                "against": {str(fact["name"]): fact for fact in contamination.facts()}
                if contamination
                else {},
            }
        )
        worker.key = hashlib.sha256(
            json.dumps(settings, sort_keys=True, default=str).encode()
        ).hexdigest()
        with locked(config.work):
            if _is_finished(config, settings):
                log.info("%s: this build is finished already", config.out)
                (told,) = open_corpus(config.out, verify=False).manifest["filters"]
                report = FilterReport.from_json(told)
            else:
                report = _build(config, worker, run, contamination, facts, quiet)
            clear(config.work)
        return report


def _check_cheaply(config: BuildConfig) -> None:
    """Find mistakes in the text and the folders before a translator is fetched, converted and loaded."""
    for source in find_sources(config.source.texts):
        source.check(config.source.field)
    if not config.resume:
        if (config.work / RUN).is_file() and not config.overwrite:
            check_out(config.work, "build", {}, done=MANIFEST, resume=False, overwrite=False)
        check_out_folder(config.out, config.overwrite)


def _check_filters(config: BuildConfig, filters: FilterSettings) -> None:
    """Find what the filters lack, a library or an encoder, before all is translated."""
    Chain(filters, config.pivot, config.to, Statistics())
    if filters.cosine is not None:
        from hexapla.encoder.locate import locate

        locate(filters.cosine.encoder)


def _is_finished(config: BuildConfig, settings: Mapping[str, Any]) -> bool:
    """Note in the folder of the build what it is, or see that it is the one to go on with.

    Returns:
        Whether there is nothing left to do.
    """
    work, out = config.work, config.out
    asked = json.loads(json.dumps(settings, default=str))
    is_made = (out / MANIFEST).is_file() and _settings_in(out) == asked
    if config.resume and is_made and _settings_in(work) in (None, asked):
        # killed at the earliest after the last rename: all that is left of it is to be removed
        return True
    if any(not path.name.startswith(".") for path in work.iterdir()):
        check_out(
            work, "build", settings, done=MANIFEST, resume=config.resume, overwrite=config.overwrite
        )
        if config.resume:
            if STANDARD_INPUT in config.source.texts and read_plan(work):
                log.info("standard input was read by the interrupted run, and is not read again")
            return False
        clear(work)
    elif config.resume:
        check_out(out, "build", settings, done=MANIFEST, resume=True, overwrite=False)
    check_out_folder(out, config.overwrite)
    write_run(work, "build", settings, replaces=config.overwrite)
    return False


def _settings_in(folder: Path) -> object:
    return (read_json(folder / RUN) or {}).get("config")


def _build(
    config: BuildConfig,
    worker: Worker,
    run: Run,
    contamination: Contamination | None,
    facts: TranslatorFacts,
    quiet: bool,
) -> FilterReport:
    work = config.work
    plan = read_plan(work)
    if plan is None:
        log.info("reading the text")
        plan = make_plan(config, contamination, worker.key)
    told = ", ".join(f"{n} {reason}" for reason, n in plan.counts["left_out"].items()) or "nothing"
    log.info(
        "%d sentences to translate into %s; left out: %s",
        plan.n_sentences,
        ", ".join(config.to),
        told,
    )
    for stage in (CELLS, JUDGED):
        for language in config.to:
            (work / stage / language).mkdir(parents=True, exist_ok=True)
    shutil.rmtree(work / ATTEMPTS, ignore_errors=True)
    (work / ATTEMPTS).mkdir()

    mixes = facts.multilingual
    _do_all(
        worker,
        _tasks("cells", plan, config.to, mixes),
        run,
        plan,
        Progress("translated", config.to, plan, quiet),
    )
    notes = _see_what_is_normal(config, worker, plan)
    _do_all(
        worker,
        _tasks("judged", plan, config.to, mixes),
        run,
        plan,
        Progress("judged", config.to, plan, quiet),
    )
    worker.close()
    for note in notes:
        log.info("%s", note)
    replaces = bool((read_json(work / RUN) or {}).get("replaces"))
    assembly = Assembly(config, plan, worker.key, contamination, quiet)
    assembly.report.notes = notes
    columns: dict[str, dict[str, object]] = {
        config.pivot: {"source": "text"},
        **dict.fromkeys(config.to, facts.made_by),
    }
    assembly.write(columns, overwrite=replaces)
    log.info(
        "%d cells were rejected, translated again and then accepted",
        assembly.counts["retranslated"],
    )
    return assembly.report


def _tasks(stage: Any, plan: Plan, languages: Sequence[str], mixes: bool) -> list[Task]:
    """Return the tasks of a stage.

    A translator that mixes languages goes shard by shard, with so many languages at once that its
    batches are full; one that has a model for each goes language by language, to load each once.
    """
    if not mixes:
        return [Task(stage, shard, (language,)) for language in languages for shard in plan.shards]
    tasks = []
    for shard, n_rows in plan.n_rows.items():
        together = max(1, LEAST_TEXTS // n_rows)
        groups = [tuple(languages[i : i + together]) for i in range(0, len(languages), together)]
        tasks += [Task(stage, shard, group) for group in groups]
    return tasks


def _do_all(
    worker: Worker, tasks: Sequence[Task], run: Run, plan: Plan, progress: Progress
) -> None:
    """Hand out what is undone until nothing is; the worker itself refuses a task that keeps failing."""
    with progress:
        pending = []
        for task in tasks:
            if worker.is_done(task):
                progress.found_done(task)
            else:
                pending.append(task)
        while pending:
            failed: BaseException | None = None
            for receipt in run(worker, pending):
                failed = _failure(receipt) or failed
                if receipt.error is None:
                    progress.done(receipt)
            undone = [task for task in pending if not worker.is_done(task)]
            if failed is not None:
                log.warning("%d pieces of work failed and are tried again: %s", len(undone), failed)
            pending = undone


def _failure(receipt: Receipt) -> BaseException | None:
    """Return an error that another try may mend; raise one that it cannot."""
    error = receipt.error
    if isinstance(error, InputError) or (isinstance(error, OSError) and error.errno in _ROOM):
        raise error
    return error


def _see_what_is_normal(config: BuildConfig, worker: Worker, plan: Plan) -> tuple[str, ...]:
    """Write the statistics of all cells, by which each is then judged; return what a filter cannot do."""
    content = read_json(config.work / STATISTICS)
    if content is None:
        statistics = Statistics()
        for shard in plan.shards:
            texts = pq.read_table(shard_path(config.work, SOURCE, shard)).column("text").to_pylist()
            for language in config.to:
                cells = pq.read_table(shard_path(config.work, CELLS, shard, language))
                statistics.add(
                    language,
                    texts,
                    cells.column("text").to_pylist(),
                    cells.column("log_prob").to_pylist(),
                )
        content = statistics.to_json()
        write_json(config.work / STATISTICS, content)
    return tuple(
        Chain(worker.filters, config.pivot, config.to, Statistics.from_json(content)).notes
    )


@contextmanager
def _room(config: BuildConfig) -> Iterator[None]:
    """Say in one line what to do about a disk that is full or may not be written."""
    try:
        yield
    except OSError as error:
        if error.errno not in _ROOM:
            raise
        raise InputError(
            f"{error.filename or config.work}: {error.strerror}; what was committed is kept: make room, or give the "
            "right to write, and go on with --resume"
        ) from error
