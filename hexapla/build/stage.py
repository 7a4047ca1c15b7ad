"""The build from beginning to end: plan, translate, see what is normal, judge, write; each step only where undone.

All state lies in the folder of the build, so going on after a kill is the same call again, and what comes out is the
same to the byte. Only the last step writes under the corpus's own name, and the folder of the build then goes.
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
from hexapla.build.config import BuildConfig, flat
from hexapla.build.executors import Processes, Ray, Run, run_here
from hexapla.build.files import locked, read_json
from hexapla.build.plan import SOURCE, Plan, make_plan, read_plan, shard_path
from hexapla.build.progress import Progress
from hexapla.build.work import ATTEMPTS, CELLS, JUDGED, STATISTICS, Receipt, Task, Worker
from hexapla.contamination import Contamination
from hexapla.corpus import open_corpus
from hexapla.corpus_writer import MANIFEST, check_out_folder
from hexapla.errors import InputError
from hexapla.filters import Chain, FilterReport, Statistics, read_filters
from hexapla.run import RUN, check_out, write_json, write_run
from hexapla.sources import source_facts

log = logging.getLogger(__name__)
LEAST_TEXTS = 2048  # in one call of a translator that can mix languages, so that its batches are full
_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def build(config: BuildConfig, quiet: bool = False) -> FilterReport:
    """Make a corpus folder from text.

    Args:
        config: What to build.
        quiet: Show no progress.

    Returns:
        What the filters rejected. With `resume` of a finished build, what it reported then.

    Raises:
        InputError: Anything wrong with what was given, found before the first sentence is translated where it can be;
            or a language that lost more than `max_loss`.
    """
    with _room(config):
        filters = read_filters(config.filters)
        worker = Worker(config.work, "", config.pivot, config.to, config.translator, filters)
        worker.open().check(config.to)
        contamination = Contamination.load(config.against, (config.pivot, *config.to)) if config.against else None
        ray = Ray(config.workers, config.address) if config.executor == "ray" else None
        worker = ray.sized(worker) if ray else worker
        made_by = dict(ray.ask(worker, _facts) if ray else _facts(worker))
        if config.workers > 1:
            worker.open().close()  # to tell the facts it may have loaded weights, which only the others need
        settings = flat(
            {
                **config.settings(),
                "sources": {str(fact["name"]): fact for fact in source_facts(config.source)},
                "translator": made_by,
                "filters": filters.to_json(),
                "against": {str(fact["name"]): fact for fact in contamination.facts()} if contamination else {},
            }
        )
        if _is_finished(config, settings):
            (report,) = open_corpus(config.out, verify=False).manifest["filters"]
            return FilterReport.from_json(report)
        worker.key = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
        run: Run = ray or (run_here if config.workers == 1 else Processes(config.workers))
        with locked(config.work):
            report = _build(config, worker, run, contamination, made_by, quiet)
        shutil.rmtree(config.work, ignore_errors=True)
        return report


def _facts(worker: Worker) -> Mapping[str, object]:
    return worker.open().facts()


def _is_finished(config: BuildConfig, settings: Mapping[str, Any]) -> bool:
    """Make the folder of the build, or find the one to go on with; say whether there is nothing left to do."""
    work, out = config.work, config.out
    if config.resume and (out / MANIFEST).is_file() and _settings_in(out) == _as_json(settings):
        shutil.rmtree(work, ignore_errors=True)  # all that a kill after the last rename can have left
        return True
    if work.exists() and all(path.name.startswith(".") for path in work.iterdir()):
        shutil.rmtree(work)  # killed before it had noted what it is
    if work.exists():
        check_out(work, "build", settings, done=MANIFEST, resume=config.resume, overwrite=config.overwrite)
        if config.resume:
            return False
        with locked(work):
            shutil.rmtree(work)
    elif config.resume:
        check_out(out, "build", settings, done=MANIFEST, resume=True, overwrite=False)
    check_out_folder(out, config.overwrite)
    write_run(work, "build", settings, replaces=config.overwrite)
    return False


def _settings_in(folder: Path) -> object:
    return (read_json(folder / RUN) or {}).get("config")


def _as_json(settings: Mapping[str, Any]) -> object:
    return json.loads(json.dumps(settings, default=str))


def _build(
    config: BuildConfig,
    worker: Worker,
    run: Run,
    contamination: Contamination | None,
    made_by: Mapping[str, object],
    quiet: bool,
) -> FilterReport:
    work = config.work
    plan = read_plan(work)
    if plan is None:
        log.info("reading the text")
        plan = make_plan(config, contamination, worker.key)
    told = ", ".join(f"{n} {reason}" for reason, n in plan.counts["left_out"].items()) or "nothing"
    log.info("%d sentences to translate into %d languages; left out: %s", plan.n_sentences, len(config.to), told)
    for stage in (CELLS, JUDGED):
        for language in config.to:
            (work / stage / language).mkdir(parents=True, exist_ok=True)
    shutil.rmtree(work / ATTEMPTS, ignore_errors=True)
    (work / ATTEMPTS).mkdir()

    mixes = worker.open().multilingual
    _do_all(worker, _tasks("cells", plan, config.to, mixes), run, plan, Progress("translated", config.to, plan, quiet))
    notes = _see_what_is_normal(config, worker, plan)
    _do_all(worker, _tasks("judged", plan, config.to, mixes), run, plan, Progress("judged", config.to, plan, quiet))
    worker.open().close()
    for note in notes:
        log.info("%s", note)
    replaces = bool((read_json(work / RUN) or {}).get("replaces"))
    assembly = Assembly(config, plan, worker.key, contamination, quiet)
    assembly.report.notes = notes
    facts = {"against": contamination.facts() if contamination else []}
    columns = {config.pivot: {"source": "text"}, **dict.fromkeys(config.to, made_by)}
    assembly.write(columns, facts, overwrite=replaces)
    return assembly.report


def _tasks(stage: Any, plan: Plan, languages: Sequence[str], mixes: bool) -> list[Task]:
    """Return the tasks of a stage.

    A translator that mixes languages goes shard by shard, with so many languages at once that its batches are full; one
    that has a model for each goes language by language, to load each once.
    """
    if not mixes:
        return [Task(stage, shard, (language,)) for language in languages for shard in plan.shards]
    tasks = []
    for shard, n_rows in plan.n_rows.items():
        together = max(1, LEAST_TEXTS // n_rows)
        groups = [tuple(languages[i : i + together]) for i in range(0, len(languages), together)]
        tasks += [Task(stage, shard, group) for group in groups]
    return tasks


def _do_all(worker: Worker, tasks: Sequence[Task], run: Run, plan: Plan, progress: Progress) -> None:
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
                statistics.add(language, texts, cells.column("text").to_pylist(), cells.column("log_prob").to_pylist())
        content = statistics.to_json()
        write_json(config.work / STATISTICS, content)
    return tuple(Chain(worker.filters, config.pivot, config.to, Statistics.from_json(content)).notes)


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
