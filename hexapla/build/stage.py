"""A build from beginning to end: plan, translate, measure what is normal, judge, write.

Each step is done only where it is not done yet. All state is in the folder of the build, so
continuing after a kill is the same call again, and the result is the same to the byte. Only the
last step writes under the corpus's name; the folder of the build is then removed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import pyarrow.parquet as pq

from hexapla.build.assemble import Assembly
from hexapla.build.build_state import (
    BuildState,
    find_build_state,
    replaces_corpus,
    start_build,
)
from hexapla.build.build_workers import do_all, list_tasks, open_workers
from hexapla.build.check_build import check_build
from hexapla.build.committed import read_json
from hexapla.build.config import BuildConfig, flatten
from hexapla.build.language_bars import LanguageBars
from hexapla.build.references import References
from hexapla.build.shard_plan import SOURCE, ShardPlan, plan_shards, read_shard_plan, shard_path
from hexapla.build.shard_worker import (
    ATTEMPTS,
    CELLS,
    JUDGED,
    STATISTICS,
    ShardWorker,
    TranslatorFacts,
    ask_translator,
)
from hexapla.corpus.contamination import Contamination
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.work_folder import lock_work_folder
from hexapla.filters import FilterReport, Statistics
from hexapla.runs.atomic import write_json
from hexapla.runs.disk_errors import disk_errors
from hexapla.runs.executors import Executor, Processes
from hexapla.runs.lock import clear_locked
from hexapla.runs.progress import Progress
from hexapla.runs.run_folder import RESUMED
from hexapla.sources import source_facts
from hexapla.sources.texts import STANDARD_INPUT, find_sources
from hexapla.text.limits import with_text_limit

_log = logging.getLogger(__name__)


@with_text_limit
def build(config: BuildConfig, *, quiet: bool = False) -> FilterReport:
    """Make a corpus folder from text.

    Args:
        config: What to build.
        quiet: Show no progress, and no report when a language loses too much.

    Returns:
        What the filters rejected. With `resume` of a finished build, what it reported then.

    Raises:
        InputError: Something that was given is wrong, which is found before the first sentence is
            translated where possible; or a language lost more than `max_loss`.
    """
    with disk_errors(config.work):
        filters = check_build(config)
        if config.origin is not None:
            config.origin.verify()
        else:
            for source in find_sources(config.source.texts):
                source.check(config.source.field)
        contamination = None
        if config.against:
            contamination = Contamination.load(config.against, config.languages)
        executor, worker = open_workers(config, filters)
        facts = executor.call(partial(ask_translator, worker))
        if isinstance(executor, Processes):
            worker.close()  # it may have loaded weights, which only the other processes need
        settings = _describe(config, worker, contamination, facts)
        worker.key = _hash(settings)
        with lock_work_folder(config.out):
            state = find_build_state(config, settings)
            if state is BuildState.FINISHED:
                _log.info("%s: this build is already finished", config.out)
                manifest = open_corpus(config.out, verify=False).manifest
                if config.reference is not None and "references" not in manifest:
                    _log.warning("its chrF is not computed, since it was built without reference")
                *_, told = manifest["filters"]
                report = FilterReport.from_json(told)
            else:
                if state is BuildState.NEW:
                    start_build(config, settings)
                with disk_errors(config.work, RESUMED):
                    run = _Run(config, worker, executor, contamination, facts, quiet)
                    report = run.do()
            clear_locked(config.work)
        return report


def _describe(
    config: BuildConfig,
    worker: ShardWorker,
    contamination: Contamination | None,
    facts: TranslatorFacts,
) -> dict[str, Any]:
    """Return all that the corpus depends on, flat, as `run.json` records it."""
    made_from: dict[str, Any] = {}
    if config.origin is not None:
        made_from["corpus"] = config.origin.facts()
    else:
        sources = source_facts(config.source)
        made_from["sources"] = {
            "order": [fact["name"] for fact in sources],
            **{str(fact["name"]): fact for fact in sources},
        }
    return flatten(
        {
            **config.settings(),
            **made_from,
            "translator": facts.made_by,
            "filters": worker.filters.to_json(),
            "against": {str(fact["name"]): fact for fact in contamination.facts()}
            if contamination
            else {},
        }
    )


def _hash(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


class _Run:
    """The steps of a build whose folder is locked and has its record."""

    def __init__(
        self,
        config: BuildConfig,
        worker: ShardWorker,
        executor: Executor,
        contamination: Contamination | None,
        facts: TranslatorFacts,
        quiet: bool,
    ) -> None:
        self.config, self.worker, self.executor = config, worker, executor
        self.contamination, self.facts, self.quiet = contamination, facts, quiet

    def do(self) -> FilterReport:
        """Do every step that is not done yet."""
        plan = self._plan()
        references = self._references(plan)
        self._make_folders()
        self._work("cells", "translating", plan)
        notes = self._measure(plan)
        self._work("judged", "judging", plan)
        self.worker.close()
        for note in notes:
            _log.info("%s", note)
        config = self.config
        assembly = Assembly(
            config,
            plan,
            self.worker.key,
            self.facts.made_by,
            self.contamination,
            references,
            self.quiet,
        )
        assembly.report.notes = notes
        assembly.write(overwrite=replaces_corpus(config.work))
        _log.info(
            "%d cells were rejected, translated again and then accepted",
            assembly.counts["retranslated"],
        )
        return assembly.report

    def _plan(self) -> ShardPlan:
        config = self.config
        plan = read_shard_plan(config.work)
        if plan is None:
            _log.info("reading the %s", "corpus" if config.origin else "text")
            plan = plan_shards(config, self.contamination, self.worker.key)
        elif STANDARD_INPUT in config.source.texts:
            _log.info("standard input was read by the interrupted run, and is not read again")
        reasons = [f"{n} {reason}" for reason, n in plan.counts["left_out"].items()]
        n_cells = sum(map(plan.n_cells, config.to))
        _log.info(
            "%d sentences to translate into %s%s; left out: %s",
            plan.n_sentences,
            ", ".join(config.to),
            f", {n_cells} cells" if config.top_up else "",
            ", ".join(reasons) or "nothing",
        )
        return plan

    def _references(self, plan: ShardPlan) -> References | None:
        """Read the human translations before the first sentence is translated."""
        config = self.config
        if config.reference is None:
            return None
        row_ids = config.origin.row_ids() if config.origin else set()
        for shard in plan.shards if config.origin is None else ():
            source = pq.read_table(shard_path(config.work, SOURCE, shard), columns=["row_id"])
            row_ids.update(source.column("row_id").to_pylist())
        references = References.load(config.reference, config.pivot, config.to, row_ids)
        counts = [f"{language} {len(of)}" for language, of in references.texts.items()]
        _log.info("sentences with human translations: %s", ", ".join(counts))
        return references

    def _make_folders(self) -> None:
        work = self.config.work
        for stage in (CELLS, JUDGED):
            for language in self.config.to:
                (work / stage / language).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work / ATTEMPTS, ignore_errors=True)
        (work / ATTEMPTS).mkdir()

    def _work(self, stage: Literal["cells", "judged"], verb: str, plan: ShardPlan) -> None:
        tasks = list_tasks(stage, plan, self.config.to, self.facts.multilingual)
        with Progress(quiet=self.quiet) as progress:
            bars = LanguageBars(progress, verb, self.config.to, plan)
            do_all(self.executor, self.worker, tasks, bars)

    def _measure(self, plan: ShardPlan) -> tuple[str, ...]:
        """Write the statistics of all cells, by which each is then judged.

        Returns:
            What a filter cannot do with them.
        """
        config = self.config
        content = read_json(config.work / STATISTICS)
        if content is None:
            statistics = Statistics()
            if config.top_up and config.origin:
                config.origin.add_to(statistics, config.to)
            for shard in plan.shards:
                source = pq.read_table(shard_path(config.work, SOURCE, shard))
                texts = source.column("text").to_pylist()
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
        return self.worker.chain(Statistics.from_json(content)).notes
